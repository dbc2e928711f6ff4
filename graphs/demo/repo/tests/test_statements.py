import unittest

from service.statements import month_end, statement


class StatementsTest(unittest.TestCase):
    def test_a_statement_has_address_amounts_and_balance(self):
        self.assertEqual(
            statement("A-200", "2026-10"),
            "Bo Carter\nQuay 17, Bristol\nPhone: 0117 496 0111\n\ncharged 9.90\nOwed: 9.90",
        )

    def test_letters_keep_the_order_of_the_accounts(self):
        letters = month_end("2026-10", ["A-200", "A-100"])
        self.assertEqual([letter.split()[0] for letter in letters], ["Bo", "Ada"])


if __name__ == "__main__":
    unittest.main()
