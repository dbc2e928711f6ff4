import unittest

from service.money import share, written


class MoneyTest(unittest.TestCase):
    def test_cents_are_written_with_two_digits(self):
        self.assertEqual(written(1205), "12.05")

    def test_what_we_owe_stands_in_brackets(self):
        self.assertEqual(written(-990), "(9.90)")

    def test_shares_add_up(self):
        self.assertEqual(share(100, 3), [34, 33, 33])
        self.assertEqual(share(100, 0), [])


if __name__ == "__main__":
    unittest.main()
