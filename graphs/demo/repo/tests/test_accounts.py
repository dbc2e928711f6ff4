import unittest

from service.accounts import UnknownAccount, find, load


class AccountsTest(unittest.TestCase):
    def test_an_account_is_found_by_its_id(self):
        self.assertEqual(find("A-100")["owner"], "Ada Lindgren")

    def test_an_unknown_account_has_its_own_error(self):
        with self.assertRaises(UnknownAccount):
            find("A-999")

    def test_every_account_has_an_owner(self):
        self.assertTrue(all(account["owner"] for account in load().values()))


if __name__ == "__main__":
    unittest.main()
