//! `sync_file_range`, which neither std nor rustix offers.

use std::fs::File;
use std::os::fd::AsRawFd as _;

/// Starts write-back of a stretch without waiting, so that the next sync has little left to do.
///
/// Returns whether the system took the hint; no promise about the data follows from it.
pub(crate) fn start(file: &File, offset: u64, len: u64) -> bool {
    let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return false };
    // For the system a length of zero means "to the end of the file".
    if len == 0 {
        return false;
    }
    // SAFETY: the call takes a descriptor and three integers and touches no memory of ours. The
    // descriptor is open for the length of the call because `file` is borrowed for it.
    let result = unsafe {
        libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE)
    };
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn a_written_stretch_is_taken_for_write_back_and_keeps_its_bytes() {
        let file = tempfile::tempfile().expect("temp file");
        file.write_all_at(&[7; 8192], 0).expect("write");
        assert!(start(&file, 0, 8192));
        let mut back = [0; 8192];
        file.read_exact_at(&mut back, 0).expect("read");
        assert_eq!(back, [7; 8192]);
    }

    #[test]
    fn an_impossible_stretch_is_only_a_hint_not_taken() {
        let file = tempfile::tempfile().expect("temp file");
        assert!(!start(&file, u64::MAX, 1));
        assert!(!start(&file, 0, 0));
        let (reader, _writer) = std::io::pipe().expect("pipe");
        assert!(!start(&File::from(std::os::fd::OwnedFd::from(reader)), 0, 1));
    }
}
