//! For tests only: closeness, gradient checks, tiny models, fixtures.
