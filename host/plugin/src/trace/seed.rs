//! Chance that can be told again: all that a call draws follows from one number.

use rand_core::TryRng;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};

/// Where all chance of one call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    /// One that nobody can foresee.
    pub(crate) fn fresh() -> Seed {
        Seed(RandomState::new().hash_one("seed"))
    }

    pub(crate) fn of(number: u64) -> Seed {
        Seed(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The name of the call that has it.
    pub(crate) fn id(self) -> String {
        let digest = Sha256::digest([b"id".as_slice(), &self.0.to_le_bytes()].concat());
        hex::encode(&digest[..6])
    }

    pub(crate) fn wide(self) -> u128 {
        (u128::from(self.0) << 64) | u128::from(self.0.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A stream of bytes; two purposes have two.
    pub(crate) fn chance(self, purpose: &'static [u8]) -> Chance {
        Chance { seed: self.0, purpose, block: 0, bytes: [0; 32], used: 32 }
    }
}

/// SHA-256 of seed, purpose and a count: costs nothing until somebody draws.
pub(crate) struct Chance {
    seed: u64,
    purpose: &'static [u8],
    block: u64,
    bytes: [u8; 32],
    used: usize,
}

impl Chance {
    fn next(&mut self) -> u8 {
        if self.used == self.bytes.len() {
            let hasher = Sha256::new().chain_update(self.purpose).chain_update(self.seed.to_le_bytes());
            self.bytes = hasher.chain_update(self.block.to_le_bytes()).finalize().into();
            (self.block, self.used) = (self.block + 1, 0);
        }
        self.used += 1;
        self.bytes[self.used - 1]
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next())
    }
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.next());
        Ok(())
    }
}
