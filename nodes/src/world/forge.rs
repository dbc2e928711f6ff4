//! Forges: where pull requests live. The local one keeps a branch in the repository and the page in the store.
