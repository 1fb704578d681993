//! What a chat says of itself, and why a query could not be answered.

catalogue! {}
