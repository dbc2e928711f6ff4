//! Effect `source.resolve`: how a name can be imported from the repository.
