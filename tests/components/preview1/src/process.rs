//! Arguments, environment, clocks, random numbers, streams, the end.

use super::{Directory, Named, Tried, close, done, fails, open, preopens, read, same, write};

pub const ALL: &[Named] = &[
    ("args", args),
    ("environ", environ),
    ("clocks", clocks),
    ("random", random),
    ("stdio", stdio),
    ("isatty", isatty),
    ("stdin-at-end", stdin_at_end),
    ("poll", poll),
    ("sched-yield", sched_yield),
    ("preopens", named_directories),
    ("preopen-closed", preopen_closed),
    ("renumber", renumber),
];

/// Without a directory: ends as the environment of a test says.
pub fn exit_as_told() {
    std::process::exit(17);
}

fn args(_: Directory) -> Tried {
    let (count, size) = done(unsafe { wasi::args_sizes_get() })?;
    let mut pointers = vec![std::ptr::null_mut(); count];
    let mut bytes = vec![0_u8; size];
    done(unsafe { wasi::args_get(pointers.as_mut_ptr(), bytes.as_mut_ptr()) })?;
    let all: Vec<String> = std::env::args().collect();
    same(count, all.len())?;
    same(size, all.iter().map(|text| text.len() + 1).sum())?;
    same(
        all.iter().skip(2).map(String::as_str).collect::<Vec<_>>(),
        vec!["", "zwei drei", "vier ✓"],
    )
}

fn environ(_: Directory) -> Tried {
    let (count, size) = done(unsafe { wasi::environ_sizes_get() })?;
    let mut pointers = vec![std::ptr::null_mut(); count];
    let mut bytes = vec![0_u8; size];
    done(unsafe { wasi::environ_get(pointers.as_mut_ptr(), bytes.as_mut_ptr()) })?;
    same(std::env::vars().count(), 0)
}

fn clocks(_: Directory) -> Tried {
    for clock in [wasi::CLOCKID_MONOTONIC, wasi::CLOCKID_REALTIME] {
        let first = done(unsafe { wasi::clock_time_get(clock, 1) })?;
        let second = done(unsafe { wasi::clock_time_get(clock, 0) })?;
        same(second >= first, true)?;
        same(done(unsafe { wasi::clock_res_get(clock) })? > 0, true)?;
    }
    Ok(())
}

fn random(_: Directory) -> Tried {
    let mut bytes = vec![0_u8; 100_000];
    done(unsafe { wasi::random_get(bytes.as_mut_ptr(), bytes.len()) })?;
    let zeros = bytes.iter().filter(|&&byte| byte == 0).count();
    same((100..2_000).contains(&zeros), true)
}

fn stdio(_: Directory) -> Tried {
    for descriptor in 0..=2 {
        let stat = done(unsafe { wasi::fd_fdstat_get(descriptor) })?;
        same(stat.fs_flags & wasi::FDFLAGS_APPEND, 0)?;
    }
    same(done(write(1, b""))?, 0)?;
    eprint!("");
    fails(
        unsafe { wasi::fd_tell(1) },
        &[wasi::ERRNO_SPIPE, wasi::ERRNO_BADF],
    )
}

fn isatty(directory: Directory) -> Tried {
    use std::io::IsTerminal;
    same(std::io::stdout().is_terminal(), false)?;
    let file = done(open(directory, "file", wasi::OFLAGS_CREAT))?;
    let stat = done(unsafe { wasi::fd_fdstat_get(file) })?;
    same(stat.fs_filetype, wasi::FILETYPE_REGULAR_FILE)?;
    close(file)?;
    done(unsafe { wasi::path_unlink_file(directory, "file") })
}

fn stdin_at_end(_: Directory) -> Tried {
    same(done(read(0, 10))?, Vec::new())
}

fn poll(_: Directory) -> Tried {
    let clock = wasi::Subscription {
        userdata: 7,
        u: wasi::SubscriptionU {
            tag: wasi::EVENTTYPE_CLOCK.raw(),
            u: wasi::SubscriptionUU {
                clock: wasi::SubscriptionClock {
                    id: wasi::CLOCKID_MONOTONIC,
                    timeout: 1_000_000,
                    precision: 0,
                    flags: 0,
                },
            },
        },
    };
    let mut event = unsafe { std::mem::zeroed::<wasi::Event>() };
    let count = done(unsafe { wasi::poll_oneoff(&clock, &mut event, 1) })?;
    same(
        (count, event.userdata, event.error),
        (1, 7, wasi::ERRNO_SUCCESS),
    )?;
    let count = unsafe { wasi::poll_oneoff(&clock, &mut event, 0) };
    fails(count, &[wasi::ERRNO_INVAL])
}

fn sched_yield(_: Directory) -> Tried {
    done(unsafe { wasi::sched_yield() })
}

fn named_directories(_: Directory) -> Tried {
    let names: Vec<String> = preopens().into_iter().map(|(_, name)| name).collect();
    same(
        names.iter().map(String::as_str).collect::<Vec<_>>(),
        vec!["/workspace", "/servers", "/skills", "/tmp", "/", "."],
    )?;
    let beyond = 3 + names.len() as u32;
    fails(
        unsafe { wasi::fd_prestat_get(beyond) }.map(drop),
        &[wasi::ERRNO_BADF],
    )
}

fn preopen_closed(_: Directory) -> Tried {
    let Some((descriptor, _)) = preopens().into_iter().find(|(_, name)| name == "/tmp") else {
        return Err("there is none".to_owned());
    };
    close(descriptor)?;
    fails(
        unsafe { wasi::fd_prestat_get(descriptor) }.map(drop),
        &[wasi::ERRNO_BADF],
    )?;
    fails(
        unsafe { wasi::fd_fdstat_get(descriptor) }.map(drop),
        &[wasi::ERRNO_BADF],
    )
}

fn renumber(directory: Directory) -> Tried {
    let one = done(open(directory, "one", wasi::OFLAGS_CREAT))?;
    let two = done(open(directory, "two", wasi::OFLAGS_CREAT))?;
    done(write(one, b"one"))?;
    done(unsafe { wasi::fd_renumber(one, two) })?;
    fails(unsafe { wasi::fd_tell(one) }, &[wasi::ERRNO_BADF])?;
    same(done(unsafe { wasi::fd_tell(two) })?, 3)?;
    close(two)?;
    done(unsafe { wasi::path_unlink_file(directory, "one") })?;
    done(unsafe { wasi::path_unlink_file(directory, "two") })
}
