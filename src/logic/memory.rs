//! Looks for memory before it is needed, where a number of the user decides how much that is: what runs out of memory while
//! it grows cannot be caught, and ends the whole program.

/// What may be taken in small parts until the next look. More than 32 MiB: the allocator then maps it, and gives it back
/// at once.
pub const SPARE: usize = 64 << 20;

/// There is not so much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {} MiB more; ask for less at a time, or raise the limit (ulimit -v, systemd's MemoryMax)", .0.div_ceil(1 << 20))]
pub struct NoMemory(usize);

/// Whether there is memory for so many bytes, and some to spare.
///
/// # Errors
/// There is not.
pub fn room_for(bytes: usize) -> Result<(), NoMemory> {
    let wanted = bytes.saturating_add(SPARE);
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(wanted).map_err(|_| NoMemory(wanted))?;
    // Else the compiler leaves the allocation out, as nothing is written to it.
    std::hint::black_box(room.as_ptr());
    Ok(())
}

/// The same for so many things of some bytes each.
///
/// # Errors
/// There is not.
pub fn room_for_each(count: usize, bytes: usize) -> Result<(), NoMemory> {
    room_for(count.saturating_mul(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_some_memory_and_not_any_amount() {
        assert_eq!(room_for(0), Ok(()));
        let refused = room_for_each(usize::MAX, 8).unwrap_err();
        assert!(refused.to_string().starts_with("no memory for 1759218604"), "{refused}");
    }
}
