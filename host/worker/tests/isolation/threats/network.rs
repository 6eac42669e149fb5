//! The network, and sockets of other processes.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};

use super::{Threat, checked, done, gained, threat};
use crate::scene::Scene;

pub const THREATS: &[Threat] = &[
    threat("connect_to_a_server", |scene| {
        TcpStream::connect(("127.0.0.1", scene.port)).map(|_| String::new())
    }),
    threat("listen_for_connections", |_| {
        TcpListener::bind(("127.0.0.1", 0)).map(|_| String::new())
    }),
    threat("send_a_packet", |scene| {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.send_to(b"out", ("127.0.0.1", scene.port))?;
        Ok(String::new())
    }),
    threat("connect_to_a_socket_by_path", |scene| {
        UnixStream::connect(scene.host.join("socket")).map(|_| String::new())
    }),
    threat("connect_to_a_socket_by_name", |scene| {
        let address = SocketAddr::from_abstract_name(&scene.abstract_name)?;
        UnixStream::connect_addr(&address).map(|_| String::new())
    }),
    threat("send_to_a_socket_by_name", send_by_name),
    threat("ask_the_kernel_about_the_network", |_| {
        // The interfaces with an address: an empty network has none.
        // SAFETY: a list that is read as it is linked, and freed as a whole.
        unsafe {
            let mut list = std::ptr::null_mut();
            checked(libc::getifaddrs(&mut list))?;
            let mut next = list;
            let mut found = false;
            while let Some(interface) = next.as_ref() {
                let address = interface.ifa_addr.as_ref();
                found |= address.is_some_and(|it| i32::from(it.sa_family) == libc::AF_INET);
                next = interface.ifa_next;
            }
            libc::freeifaddrs(list);
            gained(found, "addresses")
        }
    }),
    threat("open_a_raw_socket", |_| {
        // SAFETY: takes numbers only.
        done(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) })
    })
    .for_root(),
    threat("use_the_crypto_of_the_kernel", |_| {
        // SAFETY: takes numbers only.
        done(unsafe { libc::socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0) })
    })
    .where_there_is_one(),
    threat("reach_the_machine_around_this_one", |_| {
        // SAFETY: takes numbers only.
        done(unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0) })
    })
    .where_there_is_one(),
];

/// Without a connection, from a socket that has no name.
fn send_by_name(scene: &Scene) -> io::Result<String> {
    let address = SocketAddr::from_abstract_name(format!("{}-packets", scene.abstract_name))?;
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(b"out", &address)?;
    Ok(String::new())
}
