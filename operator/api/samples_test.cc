#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "operator/api/schema.h"
#include "operator/api/yaml_json.h"

namespace millrace::api {
namespace {

// tests/crds asks a real API server about the same samples.
TEST(Samples, are_taken_and_refused_as_a_real_api_server_does) {
  size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MILLRACE_SOURCE_DIR "/tests/crds/samples")) {
    const std::string name = entry.path().filename().string();
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    const Result<std::vector<YamlDocument>> documents = read_yaml(name, text.str());
    ASSERT_TRUE(documents.has_value()) << name;
    ASSERT_FALSE(documents->empty()) << name;
    kube::Object before;
    for (size_t i = 0; i < documents->size(); ++i) {
      const kube::Object after = with_defaults((*documents)[i].object);
      const Status checked = check_object(after, i == 0 ? nullptr : &before);
      const bool is_last = i + 1 == documents->size();
      EXPECT_EQ(checked.has_value(), !(is_last && name.starts_with("refused_"))) << name << " document " << i;
      before = after;
    }
    ++seen;
  }
  EXPECT_GE(seen, 20u);
}

}  // namespace
}  // namespace millrace::api
