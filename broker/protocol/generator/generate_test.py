#!/usr/bin/env python3
"""A schema with a fault is refused with file, line and what is wrong."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
import generate  # noqa: E402

TOP = "api 1 Fetch\n\nrequest FetchRequest versions 0-4 flexible 3+\n"
FAULTS = [
    # fields, line of the fault, words of the message
    ("  Name strnig\n", 4, "no type strnig"),
    ("  Name Missing\n", 4, "no struct Missing"),
    ("  Name string 3-9\n", 4, "not within 0-4"),
    ("  Name string 2-1\n", 4, "not within"),
    ("  Name string 1+ tag 0\n", 4, "not flexible"),
    ("  A string 3+ tag 0\n  B string 3+ tag 0\n", 5, "tag 0 is that of A"),
    ("  A string\n  A int32\n", 5, "there already, in line 4"),
    ("  A int8 = 128\n", 4, "128 is no int8"),
    ("  A int8 = x\n", 4, "x is no int8"),
    ("  A string = null\n", 4, "never null"),
    ("  A [string] = a\n", 4, "no default but null"),
    ("  A string\n    B string\n", 5, "declares no struct"),
    ("   A string\n", 4, "two blanks"),
    ("  A [string\n", 4, "is no field"),
    ("    A string\n", 4, "indented under nothing"),
    ("rquest X versions 0-1\n", 4, "begins no message"),
]


class Schemas(unittest.TestCase):
    def test_faults_name_file_and_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "fetch.schema"
            for fields, line, words in FAULTS:
                with self.subTest(fields=fields):
                    path.write_text(TOP + fields)
                    with self.assertRaises(generate.SchemaError) as caught:
                        generate.Schema(path)
                    self.assertTrue(str(caught.exception).startswith(f"{path}:{line}: "), caught.exception)
                    self.assertIn(words, str(caught.exception))

    def test_our_own_schemas_have_none(self):
        folder = pathlib.Path(__file__).parent.parent / "schemas"
        schemas = [generate.Schema(path) for path in sorted(folder.glob("*.schema"))]
        names = [message.name for schema in schemas for message in schema.messages]
        self.assertEqual(len(names), len(set(names)))
        keys = [schema.key for schema in schemas if schema.key is not None]
        self.assertEqual(len(keys), len(set(keys)))


if __name__ == "__main__":
    unittest.main()
