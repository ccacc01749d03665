//! Proves, from the finished executable alone, that a twin binary is uniform.
