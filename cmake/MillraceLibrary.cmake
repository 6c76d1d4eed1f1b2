# One CMake target per source folder.
#
#   broker_library(storage SRCS log.cc … TESTS log_test.cc … DEPS io protocol [LIBS ZLIB::ZLIB …])
#   operator_library(plan  SRCS …        TESTS …             DEPS desired broker/io)
#
# makes the library `broker_storage` of the calling folder's sources, the test program `broker_storage_test`, and two checks:
# `layering.broker/storage` fails for an include that is not reachable through DEPS, naming file and line; `headers_broker_storage`
# (target, not a test) compiles every header alone. DEPS are folders: `io` means the same tree, `broker/io` names the tree.
# TEST_DEPS are folders that only *_test.cc and *_test_support.h may include and link, such as io/sim.
# LIBS are outside packages, which are passed on to the tests and to what depends on this folder.
# HEADER_ONLY folders have no SRCS.

# Precompiled standard headers, shared by all libraries (std) and by all tests (std and GoogleTest).
function(millrace_precompiled name)
  file(WRITE ${CMAKE_BINARY_DIR}/pch/${name}.cc "")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/pch/${name}.cc)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()
set(millrace_std_headers <algorithm> <array> <atomic> <chrono> <cstdint> <cstring> <deque> <functional> <map> <memory> <mutex> <optional>
    <set> <span> <string> <string_view> <thread> <unordered_map> <unordered_set> <utility> <variant> <vector>)
millrace_precompiled(pch_library ${millrace_std_headers})
millrace_precompiled(pch_test ${millrace_std_headers} <gtest/gtest.h>)
target_link_libraries(pch_test PRIVATE GTest::gtest)

function(millrace_library tree folder)
  cmake_parse_arguments(PARSE_ARGV 2 ARG "" "" "SRCS;TESTS;DEPS;LIBS;TEST_DEPS;TEST_LIBS;TEST_DATA")
  string(REPLACE "/" "_" suffix ${folder})
  set(target ${tree}_${suffix})

  # The arrows: direct ones link, and their closure is what the layering check allows.
  set(reachable ${tree}/${folder})
  set(links "")
  foreach(dep IN LISTS ARG_DEPS)
    if(NOT dep MATCHES "^(broker|operator)/")
      set(dep ${tree}/${dep})
    endif()
    string(REPLACE "/" "_" dep_target ${dep})
    list(APPEND links ${dep_target})
    get_property(closure GLOBAL PROPERTY millrace_reachable_${dep_target})
    if(NOT closure)
      message(FATAL_ERROR "${tree}/${folder}: DEPS names ${dep}, which is not declared before it")
    endif()
    list(APPEND reachable ${closure})
  endforeach()
  list(REMOVE_DUPLICATES reachable)
  set(test_reachable "")
  set(test_links "")
  foreach(dep IN LISTS ARG_TEST_DEPS)
    if(NOT dep MATCHES "^(broker|operator)/")
      set(dep ${tree}/${dep})
    endif()
    string(REPLACE "/" "_" dep_target ${dep})
    list(APPEND test_links ${dep_target})
    get_property(closure GLOBAL PROPERTY millrace_reachable_${dep_target})
    if(NOT closure)
      message(FATAL_ERROR "${tree}/${folder}: TEST_DEPS names ${dep}, which is not declared before it")
    endif()
    list(APPEND test_reachable ${closure})
  endforeach()
  set_property(GLOBAL PROPERTY millrace_reachable_${target} ${reachable})

  if(ARG_SRCS)
    add_library(${target} STATIC ${ARG_SRCS})
    set(scope PUBLIC)
    target_precompile_headers(${target} REUSE_FROM pch_library)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${target} ${scope} ${links} ${ARG_LIBS} Threads::Threads)

  if(ARG_TESTS)
    add_executable(${target}_test ${ARG_TESTS})
    target_link_libraries(${target}_test PRIVATE ${target} ${test_links} ${ARG_TEST_LIBS} unit_main)
    target_compile_definitions(${target}_test PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_precompile_headers(${target}_test REUSE_FROM pch_test)
    set_target_properties(${target}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    set_property(GLOBAL APPEND PROPERTY millrace_unit_tests ${target}_test)
    add_test(NAME ${tree}/${folder} COMMAND ${target}_test)
    set(timeout 300)
    if(MILLRACE_SANITIZE)
      set(timeout 1200)  # sanitizers make a test up to twenty times as slow
    endif()
    set_tests_properties(${tree}/${folder} PROPERTIES LABELS unit TIMEOUT ${timeout})
    if(MILLRACE_SANITIZE MATCHES "thread")
      set_tests_properties(${tree}/${folder} PROPERTIES ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp")
    endif()
  endif()

  add_test(NAME layering.${tree}/${folder}
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/check_layering.py ${CMAKE_SOURCE_DIR} ${tree}/${folder} ${reachable}
                   --tests ${test_reachable})
  set_tests_properties(layering.${tree}/${folder} PROPERTIES LABELS layering)

  # Every header alone, without the precompiled ones.
  file(GLOB headers CONFIGURE_DEPENDS *.h)
  set(alone "")
  foreach(header IN LISTS headers)
    get_filename_component(stem ${header} NAME)
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/alone/${stem}.cc)
    file(GENERATE OUTPUT ${unit} CONTENT "#include \"${tree}/${folder}/${stem}\"\n#include \"${tree}/${folder}/${stem}\"\n")
    list(APPEND alone ${unit})
  endforeach()
  if(alone)
    add_library(headers_${target} OBJECT EXCLUDE_FROM_ALL ${alone})
    target_link_libraries(headers_${target} PRIVATE ${target} ${test_links})
    target_compile_definitions(headers_${target} PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    set_property(GLOBAL APPEND PROPERTY millrace_header_targets headers_${target})
  endif()
endfunction()

macro(broker_library folder)
  millrace_library(broker ${folder} ${ARGN})
endmacro()
macro(operator_library folder)
  millrace_library(operator ${folder} ${ARGN})
endmacro()
