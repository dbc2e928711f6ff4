//! Type inference over the tree of an expression.
