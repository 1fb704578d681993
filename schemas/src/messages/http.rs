//! Why the api refuses a call.

catalogue! {}
