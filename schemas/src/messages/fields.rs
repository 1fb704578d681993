//! What is wrong with a field of a request.

catalogue! {}
