//! Effect `model.call`: models behind OpenAI-compatible endpoints.
