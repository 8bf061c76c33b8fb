"""Run: python -m unittest discover tests"""

import subprocess
import sys
import unittest
from pathlib import Path

FOLDER = Path(__file__).parents[1]
sys.path.insert(0, str(FOLDER / "tools"))

from omnia_tools import ToolFailed
from orders import lookup_order


def omnia(*words):
    command = [sys.executable, "-m", "omnia_cli", *words]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)


class Tools(unittest.TestCase):
    def test_an_order_is_found_by_its_number(self):
        self.assertEqual(lookup_order("A-1001").item, "oak desk")

    def test_the_model_is_told_that_there_is_no_such_order(self):
        with self.assertRaisesRegex(ToolFailed, "no order Z-9"):
            lookup_order("Z-9")


class Manifests(unittest.TestCase):
    def test_everything_is_valid(self):
        checked = omnia("validate")
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_the_prompt_names_the_shop(self):
        shown = omnia("pack", "show", "pack", "--var", "shop_name=Oak & Sons")
        self.assertIn("customers of Oak & Sons", shown.stdout)


if __name__ == "__main__":
    unittest.main()
