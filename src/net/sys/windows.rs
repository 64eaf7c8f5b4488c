//! Windows: options of a socket, waits that end on time, and refusals that are for pingers alone.

use std::cell::OnceCell;
use std::io;
use std::net::IpAddr;
use std::os::windows::io::{AsRawHandle as _, AsRawSocket as _, FromRawHandle as _, OwnedHandle};
use std::ptr;

use rustix::event::PollFd;
use rustix::fd::{AsFd as _, BorrowedFd};
use windows_sys::Win32::Foundation::WAIT_FAILED;
use windows_sys::Win32::Networking::WinSock;
use windows_sys::Win32::System::Threading;

use crate::logic::Nanos;

/// The unit of timers, in nanoseconds.
const TICK: Nanos = 100;
/// The longest wait that is measured by a timer.
const PRECISE: Nanos = 100_000_000;
/// The most sockets for which that is worth a call for each.
const FEW: usize = 8;
const READABLE: i32 = WinSock::FD_READ.cast_signed();

pub(in crate::net) fn set_option(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: i32,
) -> io::Result<()> {
    let length = i32::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the value is read during the call only, and its length is the one given.
    let result = unsafe { WinSock::setsockopt(raw(socket), level, name, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets receives say nothing of replies that were refused (`SIO_UDP_CONNRESET`): a server does not care, and each would
/// take the place of a datagram.
pub(in crate::net) fn ignore_refusals(socket: BorrowedFd<'_>) -> io::Result<()> {
    let (report, mut written) = (0_i32, 0_u32);
    // SAFETY: the input is read and the count written during the call only; nothing else is written.
    let result = unsafe {
        WinSock::WSAIoctl(
            raw(socket),
            WinSock::SIO_UDP_CONNRESET,
            (&raw const report).cast(),
            4,
            ptr::null_mut(),
            0,
            &raw mut written,
            ptr::null_mut(),
            None,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Windows lets only its policies set that.
pub(in crate::net) fn set_traffic_class(_socket: BorrowedFd<'_>, _class: i32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "dscp over IPv6 is not supported on Windows"))
}

thread_local! {
    /// A timer and an event for the waits of a thread; `None` where the system has no such timers, before Windows 10.
    static WAIT: OnceCell<Option<(OwnedHandle, OwnedHandle)>> = const { OnceCell::new() };
}

/// `WSAPoll` ends waits by the system's clock of 15.6 ms. So this waits until one of a few sockets is readable or the
/// time is over, but no longer than [`PRECISE`]; returns how long `poll` is to wait then. Who waits comes back for the rest.
pub(super) fn wait_precisely(watched: &[PollFd<'_>], wait: Nanos) -> Nanos {
    if wait <= 0 || watched.len() > FEW {
        return wait;
    }
    if wait > PRECISE {
        return wait - PRECISE / 2;
    }
    WAIT.with(|cell| {
        let Some((timer, event)) = cell.get_or_init(make) else { return wait };
        let (timer, event) = (timer.as_raw_handle(), event.as_raw_handle());
        let due = -(wait.max(0) / TICK);
        // SAFETY: the handles are open, and the due time is read during the call only.
        if unsafe { Threading::SetWaitableTimer(timer, &raw const due, 0, None, ptr::null(), 0) } == 0 {
            return wait;
        }
        // SAFETY: an open event.
        unsafe { Threading::ResetEvent(event) };
        for each in watched {
            // It signals at once what is there already. A socket has one event, that of the thread which waits last.
            // SAFETY: an open socket and an open event.
            if unsafe { WinSock::WSAEventSelect(raw(each.as_fd()), event as isize, READABLE) } != 0 {
                return wait;
            }
        }
        let handles = [event, timer];
        // SAFETY: two open handles, read during the call.
        let woken = unsafe { Threading::WaitForMultipleObjects(2, handles.as_ptr(), 0, Threading::INFINITE) };
        if woken == WAIT_FAILED { wait } else { 0 }
    })
}

fn make() -> Option<(OwnedHandle, OwnedHandle)> {
    let flags = Threading::CREATE_WAITABLE_TIMER_HIGH_RESOLUTION;
    // SAFETY: no attributes and no name; the result is checked.
    let timer = unsafe {
        Threading::CreateWaitableTimerExW(ptr::null(), ptr::null(), flags, Threading::TIMER_ALL_ACCESS)
    };
    // SAFETY: as above.
    let event = unsafe { Threading::CreateEventW(ptr::null(), 1, 0, ptr::null()) };
    // SAFETY: each is a new handle that nobody else closes, or null.
    let own = |handle: *mut std::ffi::c_void| {
        (!handle.is_null()).then(|| unsafe { OwnedHandle::from_raw_handle(handle) })
    };
    Some((own(timer)?, own(event)?))
}

fn raw(socket: BorrowedFd<'_>) -> usize {
    usize::try_from(socket.as_raw_socket()).unwrap_or(usize::MAX)
}

/// Not found out.
pub(in crate::net) fn down_interfaces() -> Vec<(IpAddr, String)> {
    Vec::new()
}

/// There are no such limits.
pub(in crate::net) fn open_files() -> Option<(Option<u64>, Option<u64>)> {
    None
}

/// There is no limit to raise.
pub(in crate::net) fn raise_open_files() -> Option<u64> {
    None
}
