"""The system calls that a container may make: an allow-list of our own.

A custom profile replaces the engine's default, so it has to name everything that a service needs.
Against the default of engine 20.10 it leaves out what a service has no use for and what kernel bugs
like to live in: io_uring, AF_VSOCK, AF_ALG and AF_PACKET sockets, message queues, ptrace,
process_vm_*, kcmp, modify_ldt, and all 32-bit entry points. Whatever needs a capability is out
anyhow, because no container of ours has one.
"""

from __future__ import annotations

import functools
import json

_NAMES = """
_llseek _newselect accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod
chown clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2
fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync
ftruncate futex futex_requeue futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu
getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid getppid
getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday
getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl io_cancel io_destroy
io_getevents io_pgetevents io_setup io_submit ioprio_get ioprio_set kill lchown lgetxattr link linkat listen
listxattr llistxattr lremovexattr lseek lsetxattr lstat madvise map_shadow_stack membarrier memfd_create mincore
mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock munlockall munmap
nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free
pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 read readahead
readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr rename renameat renameat2
restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto
set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority
setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid setxattr shmat shmctl shmdt shmget
shutdown sigaltstack signalfd signalfd4 socketpair splice stat statfs statx symlink symlinkat sync sync_file_range
syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat
utimes vfork vmsplice wait4 waitid write writev
"""
_ALLOWED = tuple(_NAMES.split())
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # as in the engine's default
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag
_ENOSYS = 38


def _only(
    names: list[str], index: int, value: int, op: str = "SCMP_CMP_EQ", value_two: int = 0
) -> dict[str, object]:
    args = [{"index": index, "value": value, "valueTwo": value_two, "op": op}]
    return {"names": names, "action": "SCMP_ACT_ALLOW", "args": args}


@functools.cache
def seccomp_profile() -> str:
    """The profile as the JSON text that the engine takes inline.

    Arguments are compared for equality, never for being unlike: the kernel looks at the low 32 bits
    alone, and a comparison of 64 bits with 'not 40' would let ``(1 << 32) | 40`` through.
    """
    rules: list[dict[str, object]] = [{"names": _ALLOWED, "action": "SCMP_ACT_ALLOW"}]
    rules += [_only(["socket"], 0, family) for family in _FAMILIES]
    rules += [_only(["personality"], 0, persona) for persona in _PERSONALITIES]
    rules.append(_only(["clone"], 0, _NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ", 0))
    # The C library falls back to clone when clone3, whose flags a filter can't see, does not exist;
    # likewise libuv to threads when io_uring does not.
    absent = ["clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"]
    rules.append({"names": absent, "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS})
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}, separators=(",", ":"))
