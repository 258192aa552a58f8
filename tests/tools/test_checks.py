#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check-layers and check-style accept a good tree, and refuse each kind of bad one."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SPDX = "// SPDX-License-Identifier: Apache-2.0\n// Purpose.\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.root = pathlib.Path(self.dir.name)
        self.write("src/meson.build", "layers = ['base',\n  'port']\n")
        self.write("src/base/a.h", SPDX + "/* Does. */\nint a_do(void);\n")
        self.write("src/base/a.c", SPDX + '#include "base/a.h"\n')
        self.write("src/port/p.c", SPDX + '#include "base/a.h"\n')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run_tool(self, tool, *args):
        done = subprocess.run([TOP / "tools" / tool, "--root", self.root, *map(str, args)],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def refused(self, tool, words, *args):
        code, out = self.run_tool(tool, *args)
        self.assertEqual(code, 1, out)
        self.assertIn(words, out)


class Layers(Tree):
    def compile(self, layer, text):
        source = self.write(f"{layer}.c", text)
        obj = source.with_suffix(".o")
        subprocess.run(["gcc", "-c", "-o", obj, source], check=True)
        (self.root / "b/src").mkdir(parents=True, exist_ok=True)
        subprocess.run(["ar", "rcs", self.root / f"b/src/lib{layer}.a", obj], check=True)

    def test_good(self):
        self.assertEqual(self.run_tool("check-layers"), (0, ""))

    def test_include_downwards(self):
        self.write("src/port/p.h", SPDX)
        self.write("src/base/b.c", SPDX + '#include "port/p.h"\n')
        self.refused("check-layers", "src/base/b.c:3: base must not include port")

    def test_unknown_file(self):
        self.write("src/base/b.c", SPDX + '#include "a.h"\n')
        self.refused("check-layers", '"a.h" is no file of src/')

    def test_unknown_directory(self):
        self.write("src/misc/m.c", SPDX)
        self.refused("check-layers", "misc is not in the list")

    def test_cycle(self):
        self.write("src/base/b.h", SPDX + '#include "base/c.h"\n')
        self.write("src/base/c.h", SPDX)
        self.write("src/base/c.c", SPDX + '#include "base/b.h"\n')
        self.refused("check-layers", "files form a cycle: src/base/b, src/base/c")

    def test_link(self):
        self.compile("base", "int p(void); int a(void) { return p(); }")
        self.compile("port", "int a(void); int p(void) { return 1; } int q(void) { return a(); }")
        self.refused("check-layers", "base (base.o) links to p of port", self.root / "b")

    def test_link_good(self):
        self.compile("base", "int a(void) { return 1; }")
        self.compile("port", "int a(void); int q(void) { return a(); }")
        self.assertEqual(self.run_tool("check-layers", self.root / "b"), (0, ""))


class Style(Tree):
    def setUp(self):
        super().setUp()
        shutil.copy(TOP / ".clang-format", self.root)

    def style(self, words, text, name="src/base/b.c"):
        self.refused("check-style", words, self.write(name, text))

    def test_good(self):
        header = SPDX + ("\n/* Group. */\nint a;\nint b;\n\nint c; /* beside */\n\n"
                         "struct s;\n\nstruct t {\n\tint x; /* inside */\n};\n")
        code, out = self.run_tool("check-style", self.write("src/base/b.h", header))
        self.assertEqual((code, out), (0, ""))

    def test_format(self):
        self.style("clang-format", SPDX + "int  a;\n")

    def test_long_file(self):
        self.style("801 lines", SPDX + "int a;\n" * 799)

    def test_long_function(self):
        self.style("function of 101 lines", SPDX + "int f(void)\n{\n" + "\tf();\n" * 101 + "}\n")

    def test_function_just_fits(self):
        path = self.write("src/base/b.c", SPDX + "int f(void)\n{\n" + "\tf();\n" * 100 + "}\n")
        self.assertEqual(self.run_tool("check-style", path), (0, ""))

    def test_mark(self):
        self.style("mark of unfinished work", SPDX + "/* TO" "DO */\n")

    def test_opening(self):
        self.style("SPDX", "int a;\n")
        self.style("purpose", "// SPDX-License-Identifier: Apache-2.0\nint a;\n")

    def test_undocumented(self):
        for text in ("int f(void);\n", "#define F 1\n", "struct s {\n\tint a;\n};\n",
                     "static inline int f(void)\n{\n\treturn 1; /* one */\n}\n"):
            with self.subTest(text=text):
                self.style("has no comment", SPDX + "\n" + text, "src/base/b.h")

    def test_group_ends(self):
        self.style("g has no comment", SPDX + "\n/* F. */\nint f(void);\n\nint g(void);\n",
                   "src/base/b.h")


unittest.main()
