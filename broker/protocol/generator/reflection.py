"""Emits, for tests only, what turns messages into trees of named values and back (message_values_test_support.h), and the table of them."""

GROUPS = 4  # sources, so that they compile side by side

HEAD = ["// Generated from broker/protocol/schemas; change those instead.", '#include "broker/protocol/message_values_test_support.h"']


def json_name(name):
    return name[0].lower() + name[1:]


def in_version(field, message):
    low, high = field.versions
    parts = ([f"version >= {low}"] if low > message.versions[0] else []) + ([f"version <= {high}"] if high < message.versions[1] else [])
    return f"if ({' && '.join(parts)}) " if parts else ""


def functions(struct, path):
    show = [f"[[maybe_unused]] static void show_fields(ValueOut& out, const {path}& value, [[maybe_unused]] int16_t version) {{"]
    fill = [f"[[maybe_unused]] static void fill_fields(ValueIn& in, {path}& value, [[maybe_unused]] int16_t version) {{"]
    for field in struct.fields:
        test, name = in_version(field, struct.message), json_name(field.name)
        show.append(f'  {test}show_field(out, "{name}", value.{field.cpp}, version);')
        fill.append(f'  {test}fill_field(in, "{name}", value.{field.cpp}, version);')
    return [*show, "}", *fill, "}", ""]


def write_reflection(out, schemas, write):
    names = []  # `name version_min`, in the order of message_types(): for make_corpus.py
    for group in range(GROUPS):
        mine = schemas[group::GROUPS]
        lines = [*HEAD, *[f'#include "broker/protocol/messages/{schema.stem}.h"' for schema in mine], "", "namespace millrace::protocol {", ""]
        rows = []
        for schema in mine:
            for message in schema.messages:
                for struct in message.ordered_structs():
                    lines += functions(struct, f"{message.name}::{struct.name}")
                lines += functions(message, message.name)
                key = schema.key if message.kind in ("request", "response") else -1
                names.append(f"{message.name} {message.versions[0]}")
                rows.append(f'  table.push_back(message_type<{message.name}>("{message.name}", "{message.kind}", {key}));')
        lines += [f"void append_messages_{group}(std::vector<MessageType>& table) {{", *rows, "}", "", "}  // namespace millrace::protocol", ""]
        write(out / f"values_{group}.cc", "\n".join(lines))
    lines = [*HEAD, "", "namespace millrace::protocol {", ""]
    lines += [f"void append_messages_{group}(std::vector<MessageType>& table);" for group in range(GROUPS)]
    lines += ["", "const std::vector<MessageType>& message_types() {", "  static const std::vector<MessageType> all = [] {", "    std::vector<MessageType> table;"]
    lines += [f"    append_messages_{group}(table);" for group in range(GROUPS)]
    lines += ["    return table;", "  }();", "  return all;", "}", "", "}  // namespace millrace::protocol", ""]
    write(out / "message_types.cc", "\n".join(lines))
    write(out / "message_types.txt", "\n".join(names) + "\n")
