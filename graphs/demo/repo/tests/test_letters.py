import unittest

from service.letters import address_line, amount_line, balance_line, phone_line

ADA = {"owner": "Ada", "contact": {"street": "Elm Row 4", "city": "Leeds", "phone": "0113"}}


class LettersTest(unittest.TestCase):
    def test_the_address_is_one_line(self):
        self.assertEqual(address_line(ADA), "Elm Row 4, Leeds")

    def test_the_phone_line_names_the_number(self):
        self.assertEqual(phone_line(ADA), "Phone: 0113")

    def test_without_contact_the_phone_line_says_so(self):
        self.assertEqual(phone_line({"owner": "Eve", "contact": None}), "no contact on file")

    def test_amounts_say_what_they_are(self):
        self.assertEqual(amount_line(1250), "charged 12.50")
        self.assertEqual(amount_line(-4200), "paid 42.00")

    def test_a_settled_account_owes_nothing(self):
        self.assertEqual(balance_line(0), "Nothing is owed.")


if __name__ == "__main__":
    unittest.main()
