//! The restrictions of this process that the kernel enforces: limits from the start, and a lock once all needed files
//! are open.

use std::collections::BTreeMap;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetError,
    RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is,
    SeccompCondition as Condition, SeccompFilter, SeccompRule,
};

use super::{Confinement, Error, Limits};

/// Maximum number of open files: the standard streams, the document, the PDFium library, and the files that
/// the dynamic loader opens to find this library.
const OPEN_FILES: u64 = 32;

/// The system calls that a pure computation needs: it reads open files, writes its answer, manages its own memory, and
/// ends. The calls in [`filter`] are allowed only with certain arguments.
const ALLOWED: [libc::c_long; 31] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Must be called first: this process ends when the worker ends, and inherits only the three standard streams from it.
pub fn apart_from_the_worker() {
    // Errors are ignored, because only an older kernel without these calls returns them. No file is inherited
    // there either, because the worker opens its files with O_CLOEXEC.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // SAFETY: main has just started, so nothing in this process uses an open file yet.
    #[allow(unsafe_code, reason = "rustix has no close_range")]
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Sets the resource limits. Must be called before the first byte of the file is read.
pub fn this_process(limits: &Limits) -> Result<(), Error> {
    let same = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    let all = [
        (Resource::Core, same(0)),
        (Resource::Fsize, same(0)),
        (Resource::Nofile, same(OPEN_FILES)),
        (Resource::Cpu, processor(limits.cpu_seconds, limits)),
        (Resource::As, same(limits.memory_bytes)),
    ];
    all.into_iter().try_for_each(|(resource, limit)| set(resource, limit))
}

/// Limits the processor time to that of a bulk import, which is longer because the number of records is not
/// limited.
pub fn for_import(limits: &Limits) -> Result<(), Error> {
    set(Resource::Cpu, processor(limits.import_seconds, limits))
}

/// Returns a limit on processor time. At the soft limit, SIGXCPU ends this process and so shows the cause. At
/// the hard limit, at least two seconds later, SIGKILL ends a process that handled SIGXCPU.
fn processor(seconds: u64, limits: &Limits) -> Rlimit {
    let longest = limits.cpu_seconds.max(limits.import_seconds);
    Rlimit { current: Some(seconds), maximum: Some(longest + 2) }
}

fn set(resource: Resource, limit: Rlimit) -> Result<(), Error> {
    setrlimit(resource, limit).map_err(|error| Error::Unavailable(format!("{resource:?}: {error}")))
}

/// Locks this process: from here on it can only compute and write its answer. Must be called before a byte of the file
/// is parsed. If the kernel does not support one of the two locks, the other lock and the limits still apply; the
/// worker reports this when it starts ([`Confinement`]).
pub fn lock() -> Confinement {
    // Landlock must come first, because the filter forbids its system calls.
    let landlock = no_files().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced);
    let seccomp = filter().is_ok_and(|filter| seccompiler::apply_filter_all_threads(&filter).is_ok());
    Confinement { seccomp, landlock }
}

/// Applies Landlock without any exception: no files, TCP ports, signals or abstract sockets, as far as this kernel
/// supports these restrictions.
fn no_files() -> Result<RestrictionStatus, RulesetError> {
    const KNOWN: ABI = ABI::V6;
    Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .restrict_self()
}

/// Returns the system call filter. It lists the allowed calls, because a list of forbidden calls would be incomplete on
/// a newer kernel. Any other call fails with EPERM instead of ending the process: system libraries try different calls
/// and often continue without them. So a call that is missing in the list does not fail a document.
fn filter() -> Result<BpfProgram, BackendError> {
    let data_only = || is(2, Is::MaskedEq(libc::PROT_EXEC as u64), 0);
    let mut rules: BTreeMap<_, _> = ALLOWED.iter().map(|&call| (call, vec![])).collect();
    rules.extend([
        (libc::SYS_mmap, vec![SeccompRule::new(vec![data_only()?])?]),
        (libc::SYS_mprotect, vec![SeccompRule::new(vec![data_only()?])?]),
        // `abort` ends the process with a signal to itself.
        (libc::SYS_tgkill, vec![SeccompRule::new(vec![is(0, Is::Eq, std::process::id().into())?])?]),
        // [`for_import`] changes the limit on processor time.
        (
            libc::SYS_prlimit64,
            vec![SeccompRule::new(vec![is(0, Is::Eq, 0)?, is(1, Is::Eq, u64::from(libc::RLIMIT_CPU))?])?],
        ),
    ]);
    let (otherwise, allowed) = (SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow);
    SeccompFilter::new(rules, otherwise, allowed, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn is(argument: u8, operator: Is, value: u64) -> Result<Condition, BackendError> {
    Condition::new(argument, Length::Dword, operator, value)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::ErrorKind::PermissionDenied, net::TcpStream};

    use super::*;

    /// Tests Landlock alone. The integration tests cover the filter, which would hide the effect of Landlock.
    #[test]
    fn landlock_alone_leaves_no_file_and_no_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Landlock applies only to the calling thread.
        let locked = std::thread::spawn(move || {
            let status = no_files().unwrap().ruleset;
            (status, File::open("/etc/passwd").map(drop), TcpStream::connect(address).map(drop))
        });
        let (status, file, connection) = locked.join().unwrap();
        if status == RulesetStatus::NotEnforced {
            eprintln!("this kernel has no Landlock");
            return assert!(file.is_ok());
        }
        assert_eq!(file.unwrap_err().kind(), PermissionDenied);
        // Landlock restricts TCP since Linux 6.7.
        if status == RulesetStatus::FullyEnforced {
            assert_eq!(connection.unwrap_err().kind(), PermissionDenied);
        }
        assert!(File::open("/etc/passwd").is_ok() && TcpStream::connect(address).is_ok());
    }
}
