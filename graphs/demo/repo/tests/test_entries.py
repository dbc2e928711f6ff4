import unittest

from service.entries import balance, of_month


class EntriesTest(unittest.TestCase):
    def test_a_month_lists_what_was_booked(self):
        self.assertEqual(of_month("A-100", "2026-10"), [1250, -4200])

    def test_a_balance_carries_over(self):
        self.assertEqual(balance("A-100", "2026-09"), 4200)
        self.assertEqual(balance("A-100", "2026-10"), 1250)

    def test_an_account_without_entries_owes_nothing(self):
        self.assertEqual(balance("A-999", "2026-10"), 0)


if __name__ == "__main__":
    unittest.main()
