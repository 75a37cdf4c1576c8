//! Listening sockets.

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const BACKLOG: libc::c_int = 4096;

/// A socket that listens, and the address it got.
#[derive(Debug)]
pub struct Listener {
    pub socket: OwnedFd,
    pub address: SocketAddr,
}

/// Opens a listening socket. Port 0 picks one. What accepted sockets need is set here: they inherit it.
///
/// # Errors
/// The address cannot be had; the system's error.
pub fn listen(address: SocketAddr) -> io::Result<Listener> {
    let domain = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    // SAFETY: plain system call; the result is checked.
    let socket = check(unsafe { libc::socket(domain, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a fresh descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let fd = socket.as_raw_fd();
    set(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    set(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    // A dead peer is found after about two minutes.
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 60)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 15)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 4)?;
    let (raw, len) = to_raw(address);
    // SAFETY: `raw` is a valid socket address of `len` bytes.
    check(unsafe { libc::bind(fd, std::ptr::from_ref(&raw).cast(), len) })?;
    // SAFETY: a bound socket of ours.
    check(unsafe { libc::listen(fd, BACKLOG) })?;
    let address = address_of(fd, libc::getsockname)?;
    Ok(Listener { socket, address })
}

/// The address of a socket's peer, for the log.
#[must_use]
pub fn peer_of(socket: RawFd) -> Option<SocketAddr> {
    address_of(socket, libc::getpeername).ok()
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn set(fd: RawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one int, which lives through the call.
    check(unsafe { libc::setsockopt(fd, level, option, std::ptr::from_ref(&value).cast(), len) })?;
    Ok(())
}

fn to_raw(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeros are a valid sockaddr_storage.
    let mut raw: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let len = match address {
        SocketAddr::V4(v4) => {
            // SAFETY: sockaddr_storage is large enough and aligned for every socket address.
            let to = unsafe { &mut *std::ptr::from_mut(&mut raw).cast::<libc::sockaddr_in>() };
            to.sin_family = libc::AF_INET as libc::sa_family_t;
            to.sin_port = v4.port().to_be();
            to.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above.
            let to = unsafe { &mut *std::ptr::from_mut(&mut raw).cast::<libc::sockaddr_in6>() };
            to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            to.sin6_port = v6.port().to_be();
            to.sin6_addr.s6_addr = v6.ip().octets();
            to.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>()
        }
    };
    (raw, len as libc::socklen_t)
}

type Ask =
    unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn address_of(fd: RawFd, ask: Ask) -> io::Result<SocketAddr> {
    // SAFETY: all zeros are a valid sockaddr_storage.
    let mut raw: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `raw` has room for `len` bytes of any socket address.
    check(unsafe { ask(fd, std::ptr::from_mut(&mut raw).cast(), &mut len) })?;
    match libc::c_int::from(raw.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is one of these.
            let v4 = unsafe { &*std::ptr::from_ref(&raw).cast::<libc::sockaddr_in>() };
            let ip = v4.sin_addr.s_addr.to_ne_bytes();
            Ok((ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is one of these.
            let v6 = unsafe { &*std::ptr::from_ref(&raw).cast::<libc::sockaddr_in6>() };
            Ok((v6.sin6_addr.s6_addr, u16::from_be(v6.sin6_port)).into())
        }
        family => Err(io::Error::other(format!("address family {family}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_0_picks_one_and_accepted_sockets_inherit_what_they_need() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = listen(address.parse().expect("an address")).expect("listens");
            assert_ne!(listener.address.port(), 0);
            let client = std::net::TcpStream::connect(listener.address).expect("connects");
            let accepted = std::net::TcpListener::from(listener.socket)
                .accept()
                .expect("accepts")
                .0;
            assert!(accepted.nodelay().expect("has the option"));
            assert_eq!(peer_of(accepted.as_raw_fd()), client.local_addr().ok());
        }
    }

    #[test]
    fn an_address_in_use_is_an_error() {
        let first = listen("127.0.0.1:0".parse().expect("an address")).expect("listens");
        let error = listen(first.address).expect_err("is in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
