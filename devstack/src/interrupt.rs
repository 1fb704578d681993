//! Ctrl-C, a termination, a closed terminal.

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From its making on, these signals no longer end this process by themselves.
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupt {
    pub fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next of them; whether the terminal sent it to its foreground programs too.
    pub async fn next(&mut self) -> FromTerminal {
        tokio::select! {
            _ = self.interrupt.recv() => FromTerminal(true),
            _ = self.terminate.recv() => FromTerminal(false),
            _ = self.hang_up.recv() => FromTerminal(false),
        }
    }
}

pub struct FromTerminal(pub bool);
