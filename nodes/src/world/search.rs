//! Effect `playbook.search`: proposals tried in the sandbox, best first.
