#!/usr/bin/env python3
"""Emits C++ from the message schemas: one header and one source a file, structs with read() and encode() per version.

usage: generate.py OUT_DIRECTORY SCHEMA...            writes OUT/<schema>.h and .cc, and OUT/api_table.inc
       generate.py --reflection OUT_DIRECTORY SCHEMA...   writes OUT/<schema>_json.cc for the tests: values to and from JSON

The notation, one line a thing, two spaces a level:

    api KEY Name                                        the file's API, if it is one
    request|response|header|data Name versions A-B [flexible C+]
      Field type [versions] [tag N [@versions]] [= default]
        Field …                                         fields of the struct that the line above names for the first time
      struct Name                                       a struct that several fields use; its fields follow, indented

A type is bool, int8, int16, uint16, int32, uint32, int64, float64, string, bytes, records, uuid or a struct's name; [type] is an array;
a `?` after it means that it may be null, `?3+` from version 3 on. Versions are `3+`, `0-2` or `4`; all of the message's where left out.
`flexible` versions have compact lengths and tagged fields. A default is what the field holds when a version lacks it (0, false, empty or
null-less otherwise); `= null` makes null the default.
"""

import pathlib
import re
import sys

PRIMITIVES = {"bool": "bool", "int8": "int8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t", "uint32": "uint32_t",
              "int64": "int64_t", "float64": "double", "string": "std::string", "bytes": "Bytes", "records": "Records", "uuid": "Uuid"}
NUMBERS = ("bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "uuid")
READ = {"bool": "boolean", "int8": "int8", "int16": "int16", "uint16": "uint16", "int32": "int32", "uint32": "uint32", "int64": "int64",
        "float64": "float64", "uuid": "uuid"}


class SchemaError(Exception):
    pass


def snake(name):
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def version_range(text, valid):
    if text == "":
        return valid
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"'{text}' is no version range: write 3+, 0-2 or 4")
    low = int(match[1])
    high = valid[1] if match[2] == "+" else int(match[3]) if match[3] else low
    if low < valid[0] or high > valid[1] or low > high:
        raise SchemaError(f"versions {text} are not within {valid[0]}-{valid[1]}")
    return low, high


class Field:
    LINE = re.compile(r"([A-Za-z]\w*) (\[?)(\w+)(\]?)(\?(?:[\d+-]+)?)?(?: (\d[\d+-]*))?(?: tag (\d+)(?: @([\d+-]+))?)?(?: = (.+))?")

    def __init__(self, text, message):
        match = self.LINE.fullmatch(text)
        if not match or bool(match[2]) != bool(match[4]):
            raise SchemaError(f"'{text}' is no field: write Name type [versions] [tag N] [= default]")
        self.name, self.type, self.array = match[1], match[3], bool(match[2])
        if self.type not in PRIMITIVES and not self.type[0].isupper():
            raise SchemaError(f"{self.name}: no type {self.type}")
        self.versions = version_range(match[6] or "", message.versions)
        self.nullable = version_range(match[5][1:], message.versions) if match[5] else None
        if match[5] == "?":
            self.nullable = self.versions
        self.tag = int(match[7]) if match[7] else None
        self.tag_versions = version_range(match[8], message.versions) if match[8] else self.versions
        self.default = match[9]
        self.message = message
        self.check_default()
        if self.tag is not None and (message.flexible is None or self.tag_versions[0] < message.flexible):
            raise SchemaError(f"{self.name} has a tag in versions that are not flexible")
        self.cpp = snake(self.name) + ("_" if snake(self.name) in ("default", "operator", "register", "version", "reader", "writer", "flexible", "tag") else "")

    def check_default(self):
        """Null only where it is allowed; otherwise text, or a number that fits."""
        if self.default == "null" and not self.nullable:
            raise SchemaError(f"{self.name} is never null, so null is no default of it")
        if self.default in (None, "null") or (self.type == "string" and not self.array):
            return
        bits = re.fullmatch(r"(u?)int(\d+)", self.type)
        if self.array or not (bits or self.type in ("bool", "float64")):
            raise SchemaError(f"{self.name}: a {'[' if self.array else ''}{self.type}{']' if self.array else ''} has no default but null")
        try:
            if bits:
                low = 0 if bits[1] else -(1 << int(bits[2]) - 1)
                fits = low <= int(self.default, 0) < low + (1 << int(bits[2]))
            else:
                fits = self.default in ("true", "false") if self.type == "bool" else float(self.default) is not None
        except ValueError:
            fits = False
        if not fits:
            raise SchemaError(f"{self.name}: {self.default} is no {self.type}")

    @property
    def is_struct(self):
        return self.type not in PRIMITIVES

    def cpp_type(self):
        base = PRIMITIVES.get(self.type, self.type)
        if self.array:
            base = f"std::vector<{base}>"
        return f"std::optional<{base}>" if self.nullable and self.type != "records" else base

    def cpp_default(self):
        if self.type == "records":
            return ""
        if self.nullable:
            return "" if self.default == "null" else "{std::in_place}"
        if self.array or self.is_struct or self.type in ("bytes", "uuid"):
            return ""
        if self.type == "string":
            return f' = "{self.default}"' if self.default else ""
        value = self.default or ("false" if self.type == "bool" else "0")
        if value == "-9223372036854775808":
            value = "INT64_MIN"
        return f" = {value}"


class Struct:
    def __init__(self, name, message):
        self.name, self.message, self.fields = name, message, []


class Message(Struct):
    LINE = re.compile(r"(request|response|header|data) (\w+) versions (\d+)-(\d+)(?: flexible (\d+)\+)?( unstable)?")

    def __init__(self, text):
        match = self.LINE.fullmatch(text)
        if not match:
            raise SchemaError(f"'{text}' begins no message")
        super().__init__(match[2], self)
        self.kind, self.versions = match[1], (int(match[3]), int(match[4]))
        self.flexible = int(match[5]) if match[5] else None
        self.structs = []  # in the order of definition

    def ordered_structs(self):
        """Each after those it holds."""
        by_name, done = {s.name: s for s in self.structs}, []

        def place(struct):
            if struct in done:
                return
            for field in struct.fields:
                if field.is_struct:
                    place(by_name[field.type])
            done.append(struct)
        for struct in self.structs:
            place(struct)
        return done


class Schema:
    def __init__(self, path):
        self.path, self.stem, self.key, self.api, self.messages = path, path.stem, None, None, []
        stack = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                self.take(line.rstrip(), stack, number)
            except SchemaError as error:
                raise SchemaError(f"{path}:{number}: {error}") from None
        for message in self.messages:
            known = {s.name for s in message.structs if s.fields}
            for struct in [message, *message.structs]:
                for field in struct.fields:
                    if field.is_struct and field.type not in known:
                        raise SchemaError(f"{path}:{field.line}: {field.name}: no struct {field.type}")

    def take(self, line, stack, number):
        if not line or line.lstrip().startswith("#"):
            return
        indent = len(line) - len(line.lstrip())
        if indent % 2 or "\t" in line:
            raise SchemaError("is not indented by two blanks a level")
        depth, text = indent // 2, line.strip()
        if depth == 0:
            if match := re.fullmatch(r"api (\d+) (\w+)", text):
                self.key, self.api = int(match[1]), match[2]
                return
            self.messages.append(Message(text))
            stack[:] = [self.messages[-1]]
            return
        if depth > len(stack):
            raise SchemaError("is indented under nothing")
        del stack[depth:]
        message = stack[0]
        if match := re.fullmatch(r"struct (\w+)", text):
            struct = next((s for s in message.structs if s.name == match[1]), None)
            if struct is None:
                struct = Struct(match[1], message)
                message.structs.append(struct)
            elif struct.fields:
                raise SchemaError(f"struct {match[1]} has its fields already")
            stack.append(struct)
            return
        field = Field(text, message)
        field.line = number
        for other in stack[-1].fields:
            if other.name == field.name:
                raise SchemaError(f"{field.name} is there already, in line {other.line}")
            if field.tag is not None and other.tag == field.tag:
                raise SchemaError(f"tag {field.tag} is that of {other.name} already")
        if stack[-1].name == "nothing":
            raise SchemaError("is indented under a field that declares no struct")
        stack[-1].fields.append(field)
        if field.is_struct and all(s.name != field.type for s in message.structs):
            struct = Struct(field.type, message)
            stack.append(struct)
            message.structs.append(struct)
        else:
            stack.append(Struct("nothing", message))


def condition(versions, message, extra=None):
    """C++ that says whether `version` lies in the range, or None where it always does."""
    low, high = versions
    parts = []
    if low > message.versions[0]:
        parts.append(f"version >= {low}")
    if high < message.versions[1]:
        parts.append(f"version <= {high}")
    if extra:
        parts.append(extra)
    return " && ".join(parts) if parts else None


def flag(versions, message):
    return "true" if condition(versions, message) is None else f"({condition(versions, message)})"


def guarded(test, statement):
    return f"  if ({test}) {statement}" if test else f"  {statement}"


def read_statement(field, message):
    name, nullable = field.cpp, flag(field.nullable, message) if field.nullable else None
    if field.array:
        function, version = ("read_struct_array", "version, ") if field.is_struct else ("read_array", "")
        return f"{function}(reader, flexible, {nullable + ', ' if nullable else ''}{version}{name});"
    if field.is_struct:
        if not field.nullable:
            return f"{name}.read(reader, version);"
        absent = f"reader.int8() < {1 if field.tag is not None else 0}"
        return f"{{ {name}.reset(); if (!({absent})) {name}.emplace().read(reader, version); }}"
    if field.type in NUMBERS:
        return f"{name} = reader.{READ[field.type]}();"
    if field.type == "records":
        return f"{name} = reader.records(flexible);"
    if nullable == "true":
        return f"{name} = reader.nullable_{field.type}(flexible);"
    if nullable:
        return f"{{ if {nullable} {name} = reader.nullable_{field.type}(flexible); else {name} = reader.{field.type}(flexible); }}"
    return f"{name} = reader.{field.type}(flexible);"


def write_statement(field, message, writer="writer"):
    name = field.cpp
    if field.array:
        return (f"write_struct_array({writer}, flexible, version, {name});" if field.is_struct else f"write_array({writer}, flexible, {name});")
    if field.is_struct:
        if not field.nullable:
            return f"{name}.encode({writer}, version);"
        return f"{{ {writer}.int8({name} ? 1 : {0 if field.tag is not None else -1}); if ({name}) {name}->encode({writer}, version); }}"
    if field.type in NUMBERS:
        return f"{writer}.{READ[field.type]}({name});"
    if field.type == "records":
        return f"{writer}.records({name}, flexible);"
    if field.nullable and flag(field.nullable, message) != "true":
        return f"{{ if {flag(field.nullable, message)} {writer}.nullable_{field.type}({name}, flexible); else {writer}.{field.type}(*{name}, flexible); }}"
    prefix = "nullable_" if field.nullable else ""
    return f"{writer}.{prefix}{field.type}({name}, flexible);"


def needs_constructor(struct):
    """A struct that an optional holds: inside the enclosing struct clang does not see yet that its initializers make one by default."""
    owners = [struct.message, *struct.message.structs]
    return any(f.type == struct.name and f.nullable and not f.array for owner in owners for f in owner.fields)


def struct_declaration(struct, indent):
    message, lines = struct.message, []
    for field in struct.fields:
        lines.append(f"{field.cpp_type()} {field.cpp}{field.cpp_default()};")
    if needs_constructor(struct):
        lines.append(f"{struct.name}();")
    lines += ["", "void read(Reader& reader, int16_t version);", "void encode(Writer& writer, int16_t version) const;",
              f"friend bool operator==(const {struct.name}&, const {struct.name}&) = default;"]
    return [indent + line if line else "" for line in lines]


def declaration(message, schema, response):
    lines = [f"struct {message.name} {{"]
    if message.kind in ("request", "response"):
        lines.append(f"  static constexpr ApiKey kApiKey = ApiKey::{snake(schema.api)};")
    lines.append(f"  static constexpr int16_t kMinVersion = {message.versions[0]};")
    lines.append(f"  static constexpr int16_t kMaxVersion = {message.versions[1]};")
    lines.append(f"  static constexpr int16_t kFirstFlexibleVersion = {-1 if message.flexible is None else message.flexible};  // -1: none")
    if message.kind == "request" and response:
        lines.append(f"  using Response = {response};")
    lines.append("")
    for struct in message.ordered_structs():
        lines += [f"  struct {struct.name} {{", *struct_declaration(struct, "    "), "  };", ""]
    lines += struct_declaration(message, "  ")
    lines += ["  // Bytes behind the last field are ignored, as Kafka ignores them.",
              f"  static Result<{message.name}> decode(const Bytes& body, int16_t version);", "};"]
    return lines


def read_body(struct):
    message, lines = struct.message, []
    plain = [f for f in struct.fields if f.tag is None]
    tagged = [f for f in struct.fields if f.tag is not None]
    for field in plain:
        lines.append(guarded(condition(field.versions, message), read_statement(field, message)))
    if message.flexible is None:
        return lines
    if not tagged:
        return lines + ["  if (flexible) reader.skip_tags();"]
    lines += ["  if (!flexible) return;", "  uint32_t tag = 0;", "  Reader::TagEnd tag_end;",
              "  for (uint32_t left = reader.unsigned_varint(); reader.next_tag(left, tag, tag_end); reader.finish_tag(tag_end)) {"]
    for i, field in enumerate(tagged):
        test = condition(field.tag_versions, message, None)
        lines.append(f"    {'} else ' if i else ''}if (tag == {field.tag}{' && ' + test if test else ''}) {{")
        lines.append("      " + read_statement(field, message))
    return lines + ["    } else {", "      reader.skip_to(tag_end);", "    }", "  }"]


def write_body(struct):
    message, lines = struct.message, []
    plain = [f for f in struct.fields if f.tag is None]
    tagged = sorted((f for f in struct.fields if f.tag is not None), key=lambda f: f.tag)
    for field in plain:
        lines.append(guarded(condition(field.versions, message), write_statement(field, message)))
    if message.flexible is None:
        return lines
    if not tagged:
        return lines + ["  if (flexible) writer.no_tags();"]
    lines += ["  if (!flexible) return;", f"  static const {struct_path(struct)} defaults;", "  uint32_t tags = 0;"]
    for field in tagged:
        test = condition(field.tag_versions, message, f"!({field.cpp} == defaults.{field.cpp})")
        lines += [f"  const bool has_{field.cpp} = {test};", f"  tags += has_{field.cpp};"]
    lines.append("  writer.unsigned_varint(tags);")
    for field in tagged:
        lines += [f"  if (has_{field.cpp}) {{", "    Writer content;", "    " + write_statement(field, message, "content"),
                  f"    writer.tagged({field.tag}, content);", "  }"]
    return lines


def struct_path(struct):
    return struct.name if isinstance(struct, Message) else f"{struct.message.name}::{struct.name}"


def definition(message):
    lines = []
    for struct in [*message.ordered_structs(), message]:
        if needs_constructor(struct):
            lines += [f"{struct_path(struct)}::{struct.name}() = default;", ""]
        for head, body in ((f"void {struct_path(struct)}::read(Reader& reader, int16_t version)", read_body(struct)),
                           (f"void {struct_path(struct)}::encode(Writer& writer, int16_t version) const", write_body(struct))):
            parameter = "reader" if "Reader" in head else "writer"
            text = "\n".join(body)
            lines.append(head + " {")
            if re.search(r"\bflexible\b", text):
                test = "true" if message.flexible == message.versions[0] else f"version >= {message.flexible}" if message.flexible is not None else "false"
                lines.append(f"  const bool flexible = {test};")
            if not re.search(r"\bversion\b", "\n".join(lines[lines.index(head + " {") + 1:]) + text):
                lines.append("  static_cast<void>(version);")
            if not re.search(rf"\b{parameter}\b", text):
                lines.append(f"  static_cast<void>({parameter});")
            lines += body + ["}", ""]
    lines += [f"Result<{message.name}> {message.name}::decode(const Bytes& body, int16_t version) {{",
              f"  return decode_whole<{message.name}>(body, version);", "}", ""]
    return lines


NOTE = "// Generated from broker/protocol/schemas/{}.schema; change that instead."


def write_messages(out, schemas):
    for schema in schemas:
        response = next((m.name for m in schema.messages if m.kind == "response"), None)
        ordered = sorted(schema.messages, key=lambda m: m.kind == "request")  # responses first: requests name them
        header = [NOTE.format(schema.stem), "#pragma once", "", "#include <cstdint>", "#include <optional>", "#include <string>", "#include <vector>", "",
                  '#include "broker/base/bytes.h"', '#include "broker/base/result.h"', '#include "broker/base/uuid.h"',
                  '#include "broker/protocol/api_key.h"', '#include "broker/protocol/records.h"', "", "namespace millrace::protocol {", "",
                  "class Reader;", "class Writer;", ""]
        source = [NOTE.format(schema.stem), f'#include "broker/protocol/messages/{schema.stem}.h"', "", '#include "broker/protocol/reader.h"',
                  '#include "broker/protocol/writer.h"', "", "namespace millrace::protocol {", ""]
        for message in ordered:
            header += [*declaration(message, schema, response), ""]
            source += definition(message)
        end = "}  // namespace millrace::protocol\n"
        write(out / f"{schema.stem}.h", "\n".join(header) + "\n" + end)
        write(out / f"{schema.stem}.cc", "\n".join(source) + end)
    rows = []
    for schema in sorted((s for s in schemas if s.key is not None), key=lambda s: s.key):
        request = next(m for m in schema.messages if m.kind == "request")
        rows.append(f"X({snake(schema.api)}, {schema.api}, {schema.key}, {request.versions[0]}, {request.versions[1]}, "
                    f"{32767 if request.flexible is None else request.flexible})")
    write(out / "api_table.inc", "// X(name, Name, key, version_min, version_max, first flexible version or 32767)\n" + "\n".join(rows) + "\n")


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    arguments = sys.argv[1:]
    reflection = arguments[:1] == ["--reflection"]
    out, *paths = [pathlib.Path(a) for a in arguments[reflection:]]
    try:
        schemas = [Schema(path) for path in paths]
    except SchemaError as error:
        sys.exit(str(error))
    out.mkdir(parents=True, exist_ok=True)
    if reflection:
        import reflection as emit
        emit.write_reflection(out, schemas, write)
    else:
        write_messages(out, schemas)


if __name__ == "__main__":
    main()
