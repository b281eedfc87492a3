//! Which addresses may be dialled: public ones, and the networks that the operator named.
//!
//! An IPv6 address that carries an IPv4 one (mapped, compatible, NAT64, 6to4, ISATAP) is judged by the address it carries, for
//! that is where the packet ends. Everything that is not plainly public is refused: a new special range is then
//! refused too, where a list of bad ranges would let it through.

use crate::Error;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A network in CIDR notation: `10.20.0.0/16`, `fd00:1::/32`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == ip.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == ip.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Network, Error> {
        let bad = |why: &str| Error::Options(format!("`{text}` is not a network: {why}; one looks like 10.20.0.0/16"));
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad("the part before `/` is no IP address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => match bits.parse() {
                Ok(bits) if bits <= most && !text.ends_with(char::is_whitespace) => bits,
                _ => return Err(bad("the part after `/` is no count of bits")),
            },
        };
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Why `ip` must not be dialled; `None`: it may be.
#[must_use]
pub(crate) fn refusal(ip: IpAddr, allowed: &[Network]) -> Option<&'static str> {
    let real = carried(ip);
    if allowed.iter().any(|network| network.contains(real) || network.contains(ip)) {
        return None;
    }
    match real {
        IpAddr::V4(ip) => refusal_v4(ip),
        IpAddr::V6(ip) => refusal_v6(ip),
    }
}

/// The address where packets for `ip` end.
fn carried(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let bits = v6.to_bits();
    let low = |shift: u32| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits >> shift & 0xffff_ffff).unwrap_or(0)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => low(0),
        // `::` and `::1` are addresses of their own, not compatible ones.
        [0, 0, 0, 0, 0, 0, high, low_word] if high != 0 || low_word > 1 => low(0),
        [0x2002, ..] => low(80),
        // ISATAP: a router of that kind hands the packet on to the address in the end of this one.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => low(0),
        _ => ip,
    }
}

fn refusal_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [127, ..] => Some("loopback"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [100, 64..=127, ..] => Some("carrier-private"),
        // Azure's wire server; the other clouds' metadata services are link-local.
        [169, 254, 169, 254] | [168, 63, 129, 16] => Some("a cloud's metadata service"),
        [169, 254, ..] => Some("link-local"),
        [0, ..] => Some("unspecified"),
        // Oracle's metadata service is among the first of these.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some("reserved")
        }
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn refusal_v6(ip: Ipv6Addr) -> Option<&'static str> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        // Amazon's and Google's.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            Some("a cloud's metadata service")
        }
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("private"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        // Teredo and its neighbours, documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("reserved"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ip: &str, expected: Option<&str>) {
        assert_eq!(refusal(ip.parse().unwrap(), &[]), expected, "{ip}");
    }

    #[test]
    fn only_public_addresses_are_dialled() {
        for public in ["1.1.1.1", "140.82.121.4", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"] {
            check(public, None);
        }
        check("127.0.0.1", Some("loopback"));
        check("127.8.8.8", Some("loopback"));
        check("::1", Some("loopback"));
        check("0.0.0.0", Some("unspecified"));
        check("::", Some("unspecified"));
        check("10.0.0.1", Some("private"));
        check("172.31.255.255", Some("private"));
        check("192.168.1.1", Some("private"));
        check("fd00:ec2::254", Some("a cloud's metadata service"));
        check("fd20:ce::254", Some("a cloud's metadata service"));
        check("fd20:ce::253", Some("private"));
        check("fec0::1", Some("private"));
        check("0.1.2.3", Some("unspecified"));
        check("192.0.0.192", Some("reserved"));
        check("198.18.0.1", Some("reserved"));
        check("203.0.113.9", Some("reserved"));
        check("100::1", Some("reserved"));
        check("5f00::1", Some("reserved"));
        check("4000::1", Some("reserved"));
        check("100.100.100.200", Some("carrier-private"));
        check("169.254.169.254", Some("a cloud's metadata service"));
        check("168.63.129.16", Some("a cloud's metadata service"));
        check("169.254.1.1", Some("link-local"));
        check("fe80::1", Some("link-local"));
        check("224.0.0.1", Some("multicast"));
        check("255.255.255.255", Some("reserved"));
        check("ff02::1", Some("multicast"));
        check("2001:db8::1", Some("reserved"));
        check("2001::1", Some("reserved"));
        check("64:ff9b:1::1", Some("reserved"));
    }

    #[test]
    fn an_address_inside_another_is_judged_by_itself() {
        check("::ffff:127.0.0.1", Some("loopback"));
        check("::ffff:10.0.0.1", Some("private"));
        check("::ffff:1.1.1.1", None);
        check("::127.0.0.1", Some("loopback"));
        check("64:ff9b::7f00:1", Some("loopback"));
        check("64:ff9b::169.254.169.254", Some("a cloud's metadata service"));
        check("64:ff9b::1.1.1.1", None);
        check("2002:7f00:1::", Some("loopback"));
        check("2002:101:101::1", None);
        check("2002:a9fe:a9fe::1", Some("a cloud's metadata service"));
        check("2002:c0a8:1::1", Some("private"));
        check("::ffff:0.0.0.0", Some("unspecified"));
        check("::ffff:a9fe:a9fe", Some("a cloud's metadata service"));
        check("::a9fe:a9fe", Some("a cloud's metadata service"));
        check("64:ff9b::a83f:8110", Some("a cloud's metadata service"));
        // The form of a translator's own, and the prefix of networks' own translators: what is behind cannot be told.
        check("::ffff:0:7f00:1", Some("reserved"));
        check("64:ff9b:1::7f00:1", Some("reserved"));
        check("2606:4700::5efe:7f00:1", Some("loopback"));
        check("2606:4700::200:5efe:a9fe:a9fe", Some("a cloud's metadata service"));
        check("fe80::5efe:10.0.0.1", Some("private"));
        check("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some("reserved"));
    }

    #[test]
    fn a_network_that_the_operator_named_may_be_dialled() {
        let allowed: Vec<Network> =
            ["10.20.0.0/16", "127.0.0.1", "fd00:1::/32"].iter().map(|it| it.parse().unwrap()).collect();
        let check = |ip: &str, expected| assert_eq!(refusal(ip.parse().unwrap(), &allowed), expected, "{ip}");
        check("10.20.255.1", None);
        check("::ffff:10.20.0.1", None);
        check("10.21.0.1", Some("private"));
        check("127.0.0.1", None);
        check("127.0.0.2", Some("loopback"));
        check("fd00:1::7", None);
        check("fd00:2::7", Some("private"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_reason() {
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "fd00::/129", "x/8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            let error = bad.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains("is not a network"), "{bad}: {error}");
        }
        assert_eq!("0.0.0.0/0".parse::<Network>().unwrap().to_string(), "0.0.0.0/0");
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
    }
}
