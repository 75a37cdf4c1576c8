//! No operation allocates once the ring is warm.

use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd;

use super::*;
use crate::allocations::during;
use crate::memory::SlabId;

#[test]
fn rounds_of_receive_write_flush_and_send_allocate_nothing() {
    let (table, _pool) = slabs();
    let path = TempFile::new();
    let file = path.open_direct();
    each(SMALL, Some(&table), |driven| {
        let (mut client, server) = loopback();
        let socket = server.as_raw_fd();
        let file = Handle(file.as_raw_fd());
        driven.ring.install(FileSlot(0), file).unwrap();
        let at = table.at(SlabId(0));
        let mut round = |driven: &mut Driven| {
            client.write_all(&[5; 64]).unwrap();
            driven.ring.recv_shared(socket, false, token(1));
            let received = driven.wait(token(1));
            let buffer = received.buffer.expect("a buffer");
            // SAFETY: a slab of ours until the completion; the buffer is ours until it is returned.
            unsafe {
                at.copy_from(driven.ring.recv_buffer(buffer), 64);
                driven
                    .ring
                    .write(FileSlot(0), 4096, at, 4096, false, token(2));
            }
            driven.ring.return_buffer(buffer);
            assert_eq!(driven.wait(token(2)).result, 4096);
            driven.ring.flush(FileSlot(0), token(3));
            assert_eq!(driven.wait(token(3)).result, 0);
            // SAFETY: as above.
            unsafe { driven.ring.send(socket, at, 64, token(4)) };
            assert_eq!(driven.wait(token(4)).result, 64);
            client.read_exact(&mut [0; 64]).unwrap();
        };
        for _ in 0..20 {
            round(driven);
        }
        let ((), made) = during(|| (0..100).for_each(|_| round(driven)));
        assert_eq!(made, 0);
    });
}
