//! Seeded random choices with a liking for edges.

/// SplitMix64: small, and good enough to choose misdeeds.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number as nobody should pass it, or a small one.
    pub fn edgy(&mut self) -> u32 {
        const EDGES: [u32; 14] = [
            0,
            1,
            2,
            3,
            255,
            256,
            1_200,
            65_507,
            65_536,
            1 << 24,
            (1 << 24) + 1,
            i32::MAX as u32,
            1 << 31,
            u32::MAX,
        ];
        match self.below(4) {
            0 => self.pick(&EDGES),
            1 => self.below(300) as u32,
            2 => 1 << self.below(32),
            _ => self.next() as u32,
        }
    }

    pub fn edgy_wide(&mut self) -> u64 {
        match self.below(4) {
            0 => self.pick(&[0, 1, (1 << 53) - 1, 1 << 53, i64::MAX as u64, 1 << 63, u64::MAX]),
            1 => u64::from(self.edgy()),
            2 => 1 << self.below(64),
            _ => self.next(),
        }
    }

    /// A double: a probability, something beside it, or any pattern of bits.
    pub fn edgy_double(&mut self) -> f64 {
        match self.below(4) {
            0 => self.pick(&[
                0.0,
                1.0,
                1.0 + f64::EPSILON,
                -0.0,
                -1.0,
                f64::NAN,
                f64::INFINITY,
                f64::MIN_POSITIVE,
            ]),
            1 => self.below(1_000) as f64 / 1_000.0,
            2 => f64::from_bits(self.next()),
            _ => 0.0,
        }
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_ne_bytes()[..chunk.len()]);
        }
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }
}
