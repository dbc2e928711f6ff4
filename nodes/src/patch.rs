//! Patches in the forms that models write them: search/replace blocks, unified diffs, whole files. Pure.
