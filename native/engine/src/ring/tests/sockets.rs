//! Sockets.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, IntoRawFd};

use super::*;

#[test]
fn a_standing_accept_takes_every_connection() {
    each(SMALL, None, |driven| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        driven.ring.accept(listener.as_raw_fd(), token(1));
        for _ in 0..3 {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let accepted = driven.wait(token(1));
            assert!(accepted.result >= 0 && accepted.more, "{accepted:?}");
            client.write_all(b"hello").unwrap();
            driven.ring.recv_shared(accepted.result, false, token(2));
            let received = driven.wait(token(2));
            assert_eq!(driven.bytes(&received), b"hello");
            driven.ring.return_buffer(received.buffer.unwrap());
            driven.ring.close(accepted.result);
            driven.ring.turn(&mut driven.seen);
            // The close reaches the client.
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        }
        driven.ring.cancel(token(1), token(9));
        let ended = driven.wait(token(1));
        assert_eq!((ended.result, ended.more), (-libc::ECANCELED, false));
        assert_eq!(driven.wait(token(9)).result, 0);
    });
}

#[test]
fn a_multishot_receive_goes_on_until_the_stream_ends() {
    each(SMALL, None, |driven| {
        let (mut client, server) = loopback();
        let fd = server.as_raw_fd();
        driven.ring.recv_shared(fd, true, token(1));
        let mut got = Vec::new();
        for round in 0..10u8 {
            client.write_all(&[round; 1000]).unwrap();
            let mut arrived = 0;
            while arrived < 1000 {
                let received = driven.wait(token(1));
                assert!(received.result > 0, "{received:?}");
                arrived += received.result;
                got.extend(driven.bytes(&received));
                driven.ring.return_buffer(received.buffer.unwrap());
                if !received.more {
                    driven.ring.recv_shared(fd, true, token(1));
                }
            }
        }
        let sent: Vec<u8> = (0..10u8).flat_map(|round| [round; 1000]).collect();
        assert_eq!(got, sent);
        client.shutdown(Shutdown::Write).unwrap();
        let end = driven.wait(token(1));
        assert_eq!((end.result, end.more), (0, false));
        assert!(end.buffer.is_none());
    });
}

#[test]
fn an_empty_pool_ends_a_receive_with_enobufs_and_loses_nothing() {
    each(SMALL, None, |driven| {
        let (mut client, server) = loopback();
        let fd = server.as_raw_fd();
        let sent: Vec<u8> = (0..40_000u32).map(|i| i as u8).collect();
        client.write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut got, mut lent, mut dry) = (Vec::new(), Vec::new(), 0);
        driven.ring.recv_shared(fd, true, token(1));
        loop {
            let received = driven.wait(token(1));
            if received.result == -libc::ENOBUFS {
                assert_eq!(lent.len(), 4, "all buffers are lent");
                assert!(!received.more && received.buffer.is_none());
                dry += 1;
                for buffer in lent.drain(..) {
                    driven.ring.return_buffer(buffer);
                }
            } else if received.result == 0 {
                break;
            } else {
                got.extend(driven.bytes(&received));
                lent.extend(received.buffer);
            }
            if !received.more {
                driven.ring.recv_shared(fd, true, token(1));
            }
        }
        assert!(dry > 0);
        assert_eq!(got, sent);
    });
}

#[test]
fn a_receive_that_waits_for_all_ends_when_it_is_full_or_the_stream_is() {
    each(SMALL, None, |driven| {
        let (mut client, server) = loopback();
        let fd = server.as_raw_fd();
        let mut memory = vec![0u8; 50_000];
        let at = memory.as_mut_ptr();
        // SAFETY: `memory` outlives the completion that is waited for below.
        unsafe { driven.ring.recv_into(fd, at, 50_000, true, token(1)) };
        for chunk in 0..5u8 {
            driven.ring.turn(&mut driven.seen);
            assert!(driven.seen.is_empty(), "not before it is full");
            client.write_all(&[chunk; 10_000]).unwrap();
        }
        assert_eq!(driven.wait(token(1)).result, 50_000);
        let sent: Vec<u8> = (0..5u8).flat_map(|chunk| [chunk; 10_000]).collect();
        assert_eq!(memory, sent);
        // SAFETY: as above.
        unsafe { driven.ring.recv_into(fd, at, 100, true, token(2)) };
        client.write_all(b"last words").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(driven.wait(token(2)).result, 10);
        assert_eq!(&memory[..10], b"last words");
        // SAFETY: as above.
        unsafe { driven.ring.recv_into(fd, at, 100, false, token(3)) };
        assert_eq!(driven.wait(token(3)).result, 0);
    });
}

#[test]
fn a_long_send_goes_out_whole_while_the_reader_is_slow() {
    each(SMALL, None, |driven| {
        let (mut client, server) = loopback();
        let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
        let expected = sent.clone();
        let reader = std::thread::spawn(move || {
            let mut got = vec![0; expected.len()];
            client.read_exact(&mut got).unwrap();
            assert_eq!(got, expected);
        });
        let mut done = 0;
        while done < sent.len() {
            let rest = &sent[done..];
            // SAFETY: `sent` outlives the completion that is waited for next.
            unsafe {
                let fd = server.as_raw_fd();
                driven
                    .ring
                    .send(fd, rest.as_ptr(), rest.len() as u32, token(1));
            }
            let completion = driven.wait(token(1));
            assert!(completion.result > 0, "{completion:?}");
            done += completion.result as usize;
        }
        reader.join().unwrap();
    });
}

#[test]
fn a_send_to_a_closed_peer_is_an_error_and_no_signal() {
    each(SMALL, None, |driven| {
        let (client, server) = loopback();
        drop(client);
        let mut last = 0;
        for _ in 0..10 {
            // SAFETY: a static.
            unsafe {
                driven
                    .ring
                    .send(server.as_raw_fd(), b"anyone?".as_ptr(), 7, token(1));
            }
            last = driven.wait(token(1)).result;
        }
        assert!(last == -libc::EPIPE || last == -libc::ECONNRESET, "{last}");
    });
}

#[test]
fn cancelling_ends_a_receive_and_says_whether_it_did() {
    each(SMALL, None, |driven| {
        let (_client, server) = loopback();
        driven.ring.recv_shared(server.as_raw_fd(), true, token(1));
        driven.ring.turn(&mut driven.seen);
        driven.ring.cancel(token(1), token(2));
        let ended = driven.wait(token(1));
        assert_eq!((ended.result, ended.more), (-libc::ECANCELED, false));
        assert!(ended.buffer.is_none());
        assert_eq!(driven.wait(token(2)).result, 0);
        driven.ring.cancel(token(1), token(3));
        assert_eq!(driven.wait(token(3)).result, -libc::ENOENT);
    });
}

#[test]
fn a_shutdown_sends_what_was_queued_and_ends_what_is_pending() {
    each(SMALL, None, |driven| {
        let (mut client, server) = loopback();
        let fd = server.into_raw_fd();
        driven.ring.recv_shared(fd, true, token(1));
        driven.ring.turn(&mut driven.seen);
        // SAFETY: a static.
        unsafe { driven.ring.send(fd, b"bye".as_ptr(), 3, token(2)) };
        driven.ring.shutdown(fd);
        assert_eq!(driven.wait(token(2)).result, 3);
        let ended = driven.wait(token(1));
        assert!(ended.result <= 0 && !ended.more, "{ended:?}");
        driven.ring.close(fd);
        driven.ring.turn(&mut driven.seen);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"bye");
    });
}

/// The kernel copies while it takes a transfer, and holds back what the device should do until then.
#[test]
fn what_is_for_the_device_goes_out_before_a_transfer_of_many_bytes() {
    const MANY: usize = 64 * 1024;
    let (table, _pool) = slabs();
    each(SMALL, Some(&table), |driven| {
        let path = TempFile::new();
        let file = path.open_direct();
        let slot = FileSlot(0);
        driven.ring.install(slot, Handle(file.as_raw_fd())).unwrap();
        let (mut client, server) = loopback();
        let (fd, sent) = (server.as_raw_fd(), vec![5; MANY]);
        let mut enters = Vec::new();
        for with_device in [false, true] {
            let before = driven.ring.stats().enters;
            // SAFETY: `sent` and the slab live until the completions that are waited for next.
            unsafe {
                driven.ring.send(fd, sent.as_ptr(), MANY as u32, token(1));
                if with_device {
                    let at = table.at(crate::memory::SlabId(0));
                    driven.ring.write(slot, 0, at, 4096, false, token(2));
                }
            }
            driven.ring.turn(&mut driven.seen);
            enters.push(driven.ring.stats().enters - before);
            let mut got = vec![0; MANY];
            client.read_exact(&mut got).unwrap();
            assert!(got == sent);
            assert_eq!(driven.wait(token(1)).result, MANY as i32);
        }
        assert_eq!(driven.wait(token(2)).result, 4096);
        if driven.ring.backend() == "io_uring" {
            assert_eq!(
                enters,
                [1, 2],
                "handed over apart only where the device is concerned"
            );
        }
    });
}

#[test]
fn what_is_said_of_a_transfer_of_many_bytes_comes_behind_it() {
    const MANY: usize = 64 * 1024;
    each(SMALL, None, |driven| {
        // More of them than the queue holds.
        let pairs: Vec<_> = (0..20).map(|_| loopback()).collect();
        let mut memory = vec![0; MANY];
        for (i, (_, server)) in pairs.iter().enumerate() {
            // SAFETY: nothing comes, and all of them have ended before `memory` goes.
            unsafe {
                let (fd, to) = (server.as_raw_fd(), memory.as_mut_ptr());
                driven
                    .ring
                    .recv_into(fd, to, MANY as u32, true, token(i as u64));
            }
        }
        for i in 0..20 {
            driven.ring.cancel(token(i), token(100 + i));
        }
        for i in 0..20 {
            assert_eq!(driven.wait(token(i)).result, -libc::ECANCELED);
            assert_eq!(driven.wait(token(100 + i)).result, 0);
        }
        let (mut client, server) = loopback();
        let fd = server.into_raw_fd();
        // SAFETY: `memory` lives until the completion.
        unsafe { driven.ring.send(fd, memory.as_ptr(), MANY as u32, token(1)) };
        driven.ring.shutdown(fd);
        driven.ring.close(fd);
        assert_eq!(driven.wait(token(1)).result, MANY as i32);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_eq!(heard.len(), MANY);
    });
}

#[test]
fn a_burst_of_receives_overflows_the_completion_queue_and_loses_nothing() {
    each(SMALL, None, |driven| {
        let pairs: Vec<_> = (0..60).map(|_| loopback()).collect();
        let mut bytes = vec![[0u8; 16]; 60];
        for (i, (_, server)) in pairs.iter().enumerate() {
            let to = bytes[i].as_mut_ptr();
            // SAFETY: 16 bytes each, not touched until all completions are there.
            unsafe {
                driven
                    .ring
                    .recv_into(server.as_raw_fd(), to, 16, true, token(i as u64));
            }
        }
        driven.ring.turn(&mut driven.seen);
        for (i, (client, _)) in pairs.iter().enumerate() {
            let mut client = client;
            client.write_all(&[i as u8; 16]).unwrap();
        }
        for i in 0..60 {
            assert_eq!(driven.wait(token(i)).result, 16);
        }
        assert!(bytes.iter().enumerate().all(|(i, b)| *b == [i as u8; 16]));
    });
}

#[test]
fn a_ring_that_goes_leaves_no_operation_behind() {
    each(SMALL, None, |_| {
        let features = features();
        let features = features.lacking().is_none().then_some(features);
        let (mut ring, _) = Chosen { features }.open(&SMALL, None).unwrap();
        let (mut client, server) = loopback();
        let (mut memory, mut large) = ([0u8; 64], vec![0u8; 64 * 1024]);
        // SAFETY: the ring ends the operations before it is gone, and their memory lives longer.
        unsafe { ring.recv_into(server.as_raw_fd(), memory.as_mut_ptr(), 64, true, token(1)) };
        ring.turn(&mut Vec::new());
        let (_other, quiet) = loopback();
        // SAFETY: as above. It is asked for, and not handed over yet.
        unsafe {
            ring.recv_into(
                quiet.as_raw_fd(),
                large.as_mut_ptr(),
                65_536,
                true,
                token(2),
            )
        };
        drop(ring);
        client.write_all(&[9; 64]).unwrap();
        std::thread::yield_now();
        assert_eq!(memory, [0; 64]);
        let mut got = [0; 64];
        (&server).read_exact(&mut got).unwrap();
        assert_eq!(got, [9; 64], "the bytes are for whoever reads next");
    });
}
