//! Effect `patch.apply`: a model's edits become a diff and a tree.
