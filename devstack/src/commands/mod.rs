pub mod fetch;
pub mod run;
