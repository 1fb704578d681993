//! Compresses files and encrypts them to a public key (age): a machine that makes backups cannot read them.

use std::{
    fs::{File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use age::{
    DecryptError,
    secrecy::ExposeSecret as _,
    stream::{StreamReader, StreamWriter},
    x25519::{Identity, Recipient},
};
use anyhow::{Context as _, Result, anyhow};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use schemas::text::hex;
use tempfile::NamedTempFile;

/// Creates a key pair: writes the identity to a new file and returns the recipient (public key).
pub fn keygen(path: &Path) -> Result<String> {
    let identity = Identity::generate();
    let recipient = identity.to_public().to_string();
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    writeln!(file, "# public key: {recipient}\n{}", identity.to_string().expose_secret())?;
    file.sync_all()?;
    Ok(recipient)
}

pub fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse()
        .map_err(|error| format!("{error}; it begins with age1 and comes from `acorag-backup keygen`"))
}

/// Reads an identity file of `keygen` or of the age tools.
pub fn identity(path: &Path) -> Result<Identity> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("BACKUP_IDENTITY: cannot read {}", path.display()))?;
    let key = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    key.and_then(|key| key.parse().ok()).with_context(|| {
        format!("BACKUP_IDENTITY: {} holds no age identity (AGE-SECRET-KEY-1…)", path.display())
    })
}

/// An encrypted file that is being written. It gets its final name only when it is complete and on disk.
pub struct Sealed {
    writer: GzEncoder<StreamWriter<NamedTempFile>>,
    path: PathBuf,
}

impl Sealed {
    pub fn create(path: PathBuf, recipient: &Recipient) -> Result<Self> {
        let file = part(&path)?;
        let writer = age::Encryptor::with_recipients(std::iter::once(recipient as &dyn age::Recipient))?
            .wrap_output(file)?;
        Ok(Self { writer: GzEncoder::new(writer, Compression::fast()), path })
    }

    /// Completes the file and returns its size in bytes.
    pub fn finish(self) -> Result<u64> {
        let file = self.writer.finish()?.finish()?;
        let size = file.as_file().metadata()?.len();
        keep(file, &self.path)?;
        Ok(size)
    }
}

impl Write for Sealed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Opens an encrypted file. Damage, also a missing end, is an error before the reader reaches the end.
pub fn open(path: &Path, identity: &Identity) -> Result<MultiGzDecoder<StreamReader<File>>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let reader = age::Decryptor::new(file)
        .and_then(|decryptor| decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)))
        .map_err(|error| match error {
            DecryptError::NoMatchingKeys => anyhow!("{} is encrypted to another key", path.display()),
            // Not the error's own text: a debug build reads it from translations in the source folder of age.
            error => anyhow!("{} is damaged ({error:?})", path.display()),
        })?;
    // The multi-member decoder reads to the end of the file; only there does age detect that the end is missing.
    Ok(MultiGzDecoder::new(reader))
}

/// Writes a small file without encryption.
pub fn plain(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = part(path)?;
    file.write_all(bytes)?;
    keep(file, path)
}

/// Creates a temporary file in the same folder; it is removed unless it gets its final name with `keep`.
pub fn part(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    tempfile::Builder::new()
        .prefix(PART)
        // PostgreSQL archives as one user, and the backup jobs may run as another.
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))
}

/// The prefix of the names of unfinished files.
pub const PART: &str = ".part-";

pub fn keep(file: NamedTempFile, path: &Path) -> Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).with_context(|| format!("cannot create {}", path.display()))?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Copies a stream; returns the number of bytes and their SHA-256.
pub fn copy_hashed(from: &mut impl Read, to: &mut impl Write) -> io::Result<(u64, String)> {
    use sha2::{Digest as _, Sha256};
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 128 * 1024]);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok((size, hex(hash.finalize()))),
            length => {
                let bytes = buffer.get(..length).unwrap_or_default();
                hash.update(bytes);
                to.write_all(bytes)?;
                size += length as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests;
