pub mod demo;
pub mod run;
mod servers;
pub mod up;
pub mod with_acorag;
