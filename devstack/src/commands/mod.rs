pub mod demo;
pub mod fetch;
pub mod python;
pub mod run;
mod servers;
pub mod up;
pub mod with_acorag;
