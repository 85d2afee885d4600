//! Which request a name stands for.

/// Tells the request that named a write from others under the same name. The first four bytes say
/// how the rest was made: what was made in another way is not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    const MADE: usize = 4;

    /// Whether both may be of one request.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        self.0[..Self::MADE] != other.0[..Self::MADE] || self == other
    }

    /// As hexadecimal digits.
    #[must_use]
    pub fn digits(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// From its digits; none where they are none.
    #[must_use]
    pub fn read(digits: &str) -> Option<Self> {
        let number = u128::from_str_radix(digits, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_comes_back_and_is_compared_with_its_kind_only() {
        let mut one = Fingerprint([7; 16]);
        assert_eq!(Fingerprint::read(&one.digits()), Some(one));
        assert_eq!(Fingerprint::read("x"), None);
        let other = one;
        assert!(one.may_be(&other));
        one.0[15] = 0;
        assert!(!one.may_be(&other));
        one.0[0] = 0;
        assert!(one.may_be(&other));
    }
}
