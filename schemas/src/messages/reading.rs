//! Why a file could not be read.

catalogue! {}
