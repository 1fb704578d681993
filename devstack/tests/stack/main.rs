//! The real servers: started, taken away, brought back, and gone when nobody needs them.

mod processes;
mod servers;
mod users;
