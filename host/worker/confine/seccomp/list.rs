//! Which system calls are allowed, and why.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use libc::c_long;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use crate::confine::Profile;

/// By the number of the call: with any arguments, or with those of a rule.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What is allowed, and what is answered as if the kernel did not know it.
#[derive(Debug, Default, Clone)]
pub(super) struct List {
    allowed: Rules,
    unknown: Rules,
}

/// A condition on one argument, from 0.
enum Is {
    /// It is this number of 32 bits.
    Word(u8, i64),
    /// It is another number.
    NotWord(u8, i64),
    /// It is this number of 64 bits.
    Long(u8, u64),
    /// Of these bits it has exactly those.
    Bits(u8, u64, u64),
}

impl Is {
    fn condition(&self) -> SeccompCondition {
        let (argument, length, operator, value) = match *self {
            Self::Word(argument, value) => (
                argument,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Eq,
                u64::from(value as u32),
            ),
            Self::NotWord(argument, value) => (
                argument,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Ne,
                u64::from(value as u32),
            ),
            Self::Long(argument, value) => {
                (argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
            }
            Self::Bits(argument, mask, value) => (
                argument,
                SeccompCmpArgLen::Qword,
                SeccompCmpOp::MaskedEq(mask),
                value,
            ),
        };
        SeccompCondition::new(argument, length, operator, value).expect("arguments are 0 to 5")
    }
}

/// Which memory may be executed: the engine's `PROT_EXEC` is the third argument.
const NOT_EXECUTABLE: Is = Is::Bits(2, libc::PROT_EXEC as u64, 0);

/// Asks which pages of the process's own memory were written.
const PAGEMAP_SCAN: i64 = 0xc060_6610;

impl List {
    pub(super) fn allowed(self) -> Rules {
        self.allowed
    }

    pub(super) fn unknown(&self) -> Rules {
        self.unknown.clone()
    }

    /// This list, and what the other one allows beyond it.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (call, rules) in other.without(self).allowed {
            let own = both.allowed.entry(call).or_default();
            if rules.is_empty() {
                own.clear();
            } else {
                own.extend(rules);
            }
        }
        both
    }

    /// What of this list another one does not allow: calls that it has not, and
    /// arguments if it has the call with others only.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.allowed.retain(|call, _| {
            let theirs = other.allowed.get(call);
            theirs.is_none_or(|rules| !rules.is_empty())
        });
        rest
    }

    /// Allows these with any arguments.
    fn all(&mut self, calls: &[c_long]) {
        for call in calls {
            self.allowed.insert(*call, Vec::new());
        }
    }

    /// Allows one with these arguments, beside others that it may have.
    fn when<const N: usize>(&mut self, call: c_long, conditions: [Is; N]) {
        let conditions = conditions.iter().map(Is::condition).collect();
        let rule = SeccompRule::new(conditions).expect("there is a condition");
        match self.allowed.get_mut(&call) {
            // It is allowed with any arguments.
            Some(rules) if rules.is_empty() => {}
            Some(rules) => rules.push(rule),
            None => drop(self.allowed.insert(call, vec![rule])),
        }
    }

    /// Answers these as a kernel does that has not got them, which the C library
    /// or the standard library can live with.
    fn answer_unknown(&mut self, calls: &[c_long]) {
        // The other filter must not end the process.
        self.all(calls);
        for call in calls {
            self.unknown.insert(*call, Vec::new());
        }
    }

    pub(super) fn worker(&mut self, profile: Profile) {
        self.memory(profile);
        self.sockets();
        self.time();
        self.signals();
        self.all(&[
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_getpid,
            libc::SYS_gettid,
            libc::SYS_getrandom,
            // Of this process only; what it used.
            libc::SYS_getrusage,
        ]);
        match profile {
            Profile::Guests => {}
            Profile::Disk => self.disk(),
            Profile::Component => self.component(),
        }
    }

    /// Linear memories and the heap. What is executable was mapped before.
    fn memory(&mut self, profile: Profile) {
        self.all(&[
            libc::SYS_brk,
            libc::SYS_madvise,
            libc::SYS_mremap,
            libc::SYS_munmap,
        ]);
        if profile != Profile::Component {
            self.when(libc::SYS_mmap, [NOT_EXECUTABLE]);
            self.when(libc::SYS_mprotect, [NOT_EXECUTABLE]);
        }
        /// The process itself, where the engine gives back several regions at once.
        const PIDFD_SELF: i64 = -10000;
        self.when(libc::SYS_process_madvise, [Is::Word(0, PIDFD_SELF)]);
        self.when(libc::SYS_ioctl, [Is::Word(1, PAGEMAP_SCAN)]);
    }

    /// The socket of the session, and an event loop that waits for it.
    fn sockets(&mut self) {
        self.all(&[
            libc::SYS_close,
            libc::SYS_epoll_create1,
            libc::SYS_epoll_ctl,
            libc::SYS_epoll_pwait,
            libc::SYS_epoll_pwait2,
            libc::SYS_eventfd2,
            libc::SYS_getsockopt,
            libc::SYS_ppoll,
            libc::SYS_read,
            libc::SYS_readv,
            libc::SYS_recvfrom,
            libc::SYS_recvmsg,
            libc::SYS_sendmsg,
            libc::SYS_shutdown,
            libc::SYS_write,
            libc::SYS_writev,
        ]);
        #[cfg(target_arch = "x86_64")]
        self.all(&[libc::SYS_epoll_wait, libc::SYS_poll]);
        // To nobody by name. A message can name somebody too, but a stream that
        // is connected goes nowhere else.
        self.when(libc::SYS_sendto, [Is::Long(4, 0)]);
        // With which tokio wakes itself.
        let kind = 0xf;
        self.when(
            libc::SYS_socketpair,
            [
                Is::Word(0, libc::AF_UNIX.into()),
                Is::Bits(1, kind, libc::SOCK_STREAM as u64),
            ],
        );
        self.when(libc::SYS_ioctl, [Is::Word(1, libc::FIONBIO as i64)]);
        for command in [
            libc::F_DUPFD_CLOEXEC,
            libc::F_GETFD,
            libc::F_GETFL,
            libc::F_SETFD,
            libc::F_SETFL,
        ] {
            self.when(libc::SYS_fcntl, [Is::Word(1, command.into())]);
        }
    }

    fn time(&mut self) {
        self.all(&[
            libc::SYS_clock_getres,
            libc::SYS_clock_gettime,
            libc::SYS_clock_nanosleep,
            libc::SYS_gettimeofday,
            libc::SYS_nanosleep,
            libc::SYS_sched_yield,
            libc::SYS_setitimer,
            // After the process was stopped and goes on.
            libc::SYS_restart_syscall,
        ]);
        // Locks and sleeping threads; not the kinds with priorities and queues.
        let options = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
        for operation in [
            libc::FUTEX_WAIT,
            libc::FUTEX_WAKE,
            libc::FUTEX_WAIT_BITSET,
            libc::FUTEX_WAKE_BITSET,
        ] {
            let mask = u64::from(!(options as u32));
            self.when(libc::SYS_futex, [Is::Bits(1, mask, operation as u64)]);
        }
    }

    /// Traps of guests are signals.
    fn signals(&mut self) {
        self.all(&[
            libc::SYS_rt_sigaction,
            libc::SYS_rt_sigprocmask,
            libc::SYS_rt_sigreturn,
            libc::SYS_sigaltstack,
        ]);
    }

    /// What an abort would send to another process. The launcher's list allows it
    /// to all, since each worker has a number of its own.
    pub(super) fn aborts_of_others(&mut self, own: u32) {
        self.allowed.remove(&libc::SYS_tgkill);
        self.when(libc::SYS_tgkill, [Is::NotWord(0, own.into())]);
    }

    /// A workspace in a directory, as cap-std and the standard library use it.
    /// Landlock says which directory.
    fn disk(&mut self) {
        self.all(&[
            libc::SYS_fallocate,
            libc::SYS_fdatasync,
            libc::SYS_fstat,
            libc::SYS_fsync,
            libc::SYS_ftruncate,
            libc::SYS_getdents64,
            libc::SYS_lseek,
            libc::SYS_mkdirat,
            libc::SYS_newfstatat,
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_pread64,
            libc::SYS_pwrite64,
            libc::SYS_readlinkat,
            libc::SYS_renameat,
            libc::SYS_renameat2,
            libc::SYS_statx,
            libc::SYS_unlinkat,
            libc::SYS_utimensat,
        ]);
    }

    /// Compiled code of a user's component, and the image of its memory, which
    /// the engine keeps in a file without a name.
    fn component(&mut self) {
        self.all(&[
            libc::SYS_fstat,
            libc::SYS_membarrier,
            libc::SYS_memfd_create,
            libc::SYS_mmap,
            libc::SYS_mprotect,
        ]);
        self.when(libc::SYS_fcntl, [Is::Word(1, libc::F_ADD_SEALS.into())]);
        // By path they would tell what the host has.
        self.answer_unknown(&[libc::SYS_newfstatat, libc::SYS_statx]);
    }

    /// Reads a component, computes, writes what came of it. Nothing becomes
    /// executable, and nothing is opened.
    pub(super) fn compiler(&mut self) {
        self.memory(Profile::Guests);
        self.time();
        self.signals();
        self.all(&[
            libc::SYS_close,
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_fstat,
            libc::SYS_getpid,
            libc::SYS_getrandom,
            libc::SYS_gettid,
            libc::SYS_lseek,
            libc::SYS_read,
            libc::SYS_sched_getaffinity,
            libc::SYS_write,
            libc::SYS_writev,
        ]);
        // To itself; when it has its threads, it takes out all others.
        self.when(libc::SYS_tgkill, [Is::Word(2, libc::SIGABRT.into())]);
        // Where it closes a file, a standard library for debugging looks at it.
        self.when(libc::SYS_fcntl, [Is::Word(1, libc::F_GETFD.into())]);
        // It asks for the size of what it reads to its end; and the allocator of
        // threads, before it gives memory back, how the system promises memory.
        self.answer_unknown(&[libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_openat]);
        // Its arguments are in memory, where no filter sees them.
        self.answer_unknown(&[libc::SYS_clone3]);
    }

    /// Starts threads, and filters what they may do.
    pub(super) fn threads(&mut self) {
        let flags = libc::CLONE_VM
            | libc::CLONE_FS
            | libc::CLONE_FILES
            | libc::CLONE_SIGHAND
            | libc::CLONE_THREAD
            | libc::CLONE_SYSVSEM
            | libc::CLONE_SETTLS
            | libc::CLONE_PARENT_SETTID
            | libc::CLONE_CHILD_CLEARTID;
        self.when(libc::SYS_clone, [Is::Word(0, flags.into())]);
        self.all(&[libc::SYS_rseq, libc::SYS_set_robust_list]);
        self.when(libc::SYS_prctl, [Is::Word(0, libc::PR_SET_NAME.into())]);
        self.when(libc::SYS_prlimit64, [Is::Word(0, 0)]);
        let mode = i64::from(libc::SECCOMP_SET_MODE_FILTER);
        self.when(libc::SYS_seccomp, [Is::Word(0, mode)]);
    }

    /// What the launcher does, and a worker until it is confined.
    pub(super) fn launcher(&mut self, forks: &[u64]) {
        for flags in forks {
            self.when(libc::SYS_clone, [Is::Long(0, *flags)]);
        }
        self.all(&[libc::SYS_wait4, libc::SYS_waitid]);
        self.when(
            libc::SYS_pidfd_send_signal,
            [Is::Word(1, libc::SIGKILL.into())],
        );
        // Of the worker to itself; its own list says which number it has.
        self.when(libc::SYS_tgkill, [Is::Word(2, libc::SIGABRT.into())]);

        self.all(&[
            libc::SYS_capset,
            libc::SYS_close_range,
            libc::SYS_dup3,
            libc::SYS_landlock_add_rule,
            libc::SYS_landlock_create_ruleset,
            libc::SYS_landlock_restrict_self,
        ]);
        #[cfg(target_arch = "x86_64")]
        self.all(&[libc::SYS_dup2]);
        let mode = i64::from(libc::SECCOMP_SET_MODE_FILTER);
        self.when(libc::SYS_seccomp, [Is::Word(0, mode)]);
        self.when(libc::SYS_prlimit64, [Is::Word(0, 0)]);
        for option in [
            libc::PR_CAP_AMBIENT,
            libc::PR_GET_DUMPABLE,
            libc::PR_SET_DUMPABLE,
        ] {
            self.when(libc::SYS_prctl, [Is::Word(0, option.into())]);
        }
        self.when(libc::SYS_fcntl, [Is::Word(1, libc::F_SETOWN.into())]);
    }

    /// The worker's own pages, instead of the launcher's.
    pub(super) fn pagemap(&mut self, proc: RawFd) {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        self.when(
            libc::SYS_openat,
            [Is::Word(0, proc.into()), Is::Word(2, flags.into())],
        );
    }
}
