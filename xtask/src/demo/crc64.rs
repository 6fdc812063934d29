//! CRC-64/XZ, written out here so that the demo does not trust the code it shows.

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(super) fn of_file(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut state = !0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(!state),
            count => state = update(state, &buffer[..count]),
        }
    }
}

fn update(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| TABLE[usize::from(state as u8 ^ byte)] ^ (state >> 8))
}

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// ECMA-182, reflected.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(!update(!0, b"123456789"), 0x995D_C9BB_DF19_39FA);
    }
}
