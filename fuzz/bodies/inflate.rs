//! DEFLATE (RFC 1951) read bit by bit, with a window as small as asked for, to hold the server's
//! flate2 against. It follows the RFC's own order of sections and has no thought of speed.

/// How the data ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where a block ends.
    Block,
    /// Within a block: more is needed.
    Inside,
    /// It is no DEFLATE data, from some bit on.
    Broken,
    /// More comes out than is wanted.
    TooBig,
}

/// What comes out of `bytes`, up to `most` bytes, and how that ends. Where a last block ends, the next
/// byte begins anew (RFC 7692 section 7.2.3.4). Nothing may refer further back than `window` bytes.
pub fn inflate(bytes: &[u8], window: usize, most: usize) -> (Vec<u8>, End) {
    let mut reader = Reader { bytes, at: 0, start: 0, window, most, output: Vec::new() };
    let end = loop {
        if reader.at == 8 * bytes.len() {
            break End::Block;
        }
        if let Err(end) = reader.block() {
            break end;
        }
    };
    (reader.output, end)
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
    output: Vec<u8>,
    /// What of `output` came before the last block of all.
    start: usize,
    window: usize,
    most: usize,
}

/// Section 3.2.2: how many codes have each length, and the symbols in the order of their codes.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    /// `None`: the lengths are too many or, but for a single code of one bit or none at all, too few.
    fn of(lengths: &[usize]) -> Option<Self> {
        let mut counts = [0; 16];
        lengths.iter().for_each(|length| counts[*length] += 1);
        counts[0] = 0;
        let used: usize = (1..16).map(|length| counts[length] << (15 - length)).sum();
        let few = counts[2..] == [0; 14] && counts[1] <= 1;
        if used > 1 << 15 || (used < 1 << 15 && !few) {
            return None;
        }
        let mut symbols: Vec<_> =
            (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Some(Self { counts, symbols })
    }
}

impl Reader<'_> {
    /// Section 3.1.1: numbers begin with their lowest bit.
    fn bits(&mut self, count: usize) -> Result<usize, End> {
        if self.at + count > 8 * self.bytes.len() {
            return Err(End::Inside);
        }
        let mut number = 0;
        for place in 0..count {
            number |= usize::from(self.bytes[self.at / 8] >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(number)
    }

    /// Codes begin with their highest bit.
    fn symbol(&mut self, code: &Code) -> Result<usize, End> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for length in 1..16 {
            value |= self.bits(1)?;
            if value < first + code.counts[length] {
                return Ok(code.symbols[index + value - first]);
            }
            index += code.counts[length];
            first = (first + code.counts[length]) << 1;
            value <<= 1;
            if index == code.symbols.len() {
                break; // nothing longer begins like this
            }
        }
        Err(End::Broken)
    }

    fn put(&mut self, byte: u8) -> Result<(), End> {
        if self.output.len() == self.most {
            return Err(End::TooBig);
        }
        self.output.push(byte);
        Ok(())
    }

    /// Section 3.2.3.
    fn block(&mut self) -> Result<(), End> {
        let is_last = self.bits(1)? == 1;
        match self.bits(2)? {
            0 => self.stored()?,
            1 => {
                let lengths = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
                self.compressed(&lengths, &[5; 32])?;
            }
            2 => {
                let (lengths, distances) = self.lengths()?;
                self.compressed(&lengths, &distances)?;
            }
            _ => return Err(End::Broken),
        }
        if is_last {
            self.at = self.at.next_multiple_of(8);
            self.start = self.output.len();
        }
        Ok(())
    }

    /// Section 3.2.4.
    fn stored(&mut self) -> Result<(), End> {
        self.at = self.at.next_multiple_of(8);
        let (length, complement) = (self.bits(16)?, self.bits(16)?);
        if length != complement ^ 0xffff {
            return Err(End::Broken);
        }
        (0..length).try_for_each(|_| {
            let byte = self.bits(8)? as u8;
            self.put(byte)
        })
    }

    /// Sections 3.2.5 and 3.2.6.
    fn compressed(&mut self, lengths: &[usize], distances: &[usize]) -> Result<(), End> {
        let literals = Code::of(lengths).ok_or(End::Broken)?;
        let distances = Code::of(distances).ok_or(End::Broken)?;
        loop {
            let length = match self.symbol(&literals)? {
                byte @ 0..256 => {
                    self.put(byte as u8)?;
                    continue;
                }
                256 => return Ok(()),
                symbol @ 257..265 => symbol - 254,
                symbol @ 265..285 => {
                    let (group, extra) = ((symbol - 265) % 4, (symbol - 261) / 4);
                    ((4 + group) << extra) + 3 + self.bits(extra)?
                }
                285 => 258,
                _ => return Err(End::Broken),
            };
            let distance = match self.symbol(&distances)? {
                symbol @ 0..4 => symbol + 1,
                symbol @ 4..30 => {
                    let extra = symbol / 2 - 1;
                    ((2 + symbol % 2) << extra) + 1 + self.bits(extra)?
                }
                _ => return Err(End::Broken),
            };
            if distance > self.window.min(self.output.len() - self.start) {
                return Err(End::Broken);
            }
            for _ in 0..length {
                self.put(self.output[self.output.len() - distance])?;
            }
        }
    }

    /// Section 3.2.7: the lengths of both codes, which are a code themselves.
    fn lengths(&mut self) -> Result<(Vec<usize>, Vec<usize>), End> {
        const ORDER: [usize; 19] =
            [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let (literals, distances) = (257 + self.bits(5)?, 1 + self.bits(5)?);
        let count = 4 + self.bits(4)?;
        if literals > 286 || distances > 30 {
            return Err(End::Broken);
        }
        let mut lengths = [0; 19];
        for place in &ORDER[..count] {
            lengths[*place] = self.bits(3)?;
        }
        let code = Code::of(&lengths).filter(|code| code.symbols.len() != 1).ok_or(End::Broken)?;
        if code.symbols.is_empty() {
            // zlib reads as many bits as there are lengths to come before it finds this out.
            (0..literals + distances).try_for_each(|_| self.bits(1).map(drop))?;
            return Err(End::Broken);
        }
        let mut all = Vec::new();
        while all.len() < literals + distances {
            let (length, times) = match self.symbol(&code)? {
                16 => {
                    let times = 3 + self.bits(2)?;
                    (*all.last().ok_or(End::Broken)?, times)
                }
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length, 1),
            };
            all.resize(all.len() + times, length);
            if all.len() > literals + distances {
                return Err(End::Broken);
            }
        }
        if all[256] == 0 {
            return Err(End::Broken); // no block could end
        }
        let distances = all.split_off(literals);
        Ok((all, distances))
    }
}
