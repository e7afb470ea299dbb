//! Which addresses are those of hosts on the public internet ([RFC 6890]), and a resolver that finds no others.
//!
//! [RFC 6890]: https://www.rfc-editor.org/rfc/rfc6890

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

/// Networks whose hosts are not on the public internet, as first address and length of the prefix.
const NOT_PUBLIC: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Whether an address is that of a host on the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_within = |(network, length): &(Ipv4Addr, u32)| {
        let shift = 32 - length;
        address.to_bits() >> shift == network.to_bits() >> shift
    };
    !NOT_PUBLIC.iter().any(is_within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [.., a, b, c, d] = address.octets();
    let embedded = Ipv4Addr::new(a, b, c, d);
    match address.segments() {
        // RFC 4291 §2.5.5.2 and RFC 6052 §2.1: an IPv4 address in other clothes.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(embedded),
        // Protocol assignments with Teredo, documentation, 6to4, documentation.
        [0x2001, 0..0x200 | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..0x1000, ..] => false,
        // All that is given to hosts of the internet so far.
        [first, ..] => first >> 13 == 1,
    }
}

/// Resolves names, and leaves out the addresses that are not public. What it finds is what is connected to.
#[derive(Debug)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(not_public().into());
            }
            let public: Addrs = Box::new(public.into_iter());
            Ok(public)
        })
    }
}

/// The refusal of an address.
pub(super) fn not_public() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the host is not on the public internet")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    const PRIVATE: &str = "0.0.0.0 10.1.2.3 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 \
        172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 \
        203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 \
        64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::808:808 100::1 2001::1 2001:0:4136:e378::1 2001:10::1 2001:20::1 \
        2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 4000::1 5f00::1 fc00::1 fd12::1 fe80::1 fec0::1 ff02::1";
    const PUBLIC: &str = "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.255.255 \
        198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::808:808 2001:200::1 2001:4860:4860::8888 2606:4700::1111 \
        3ffe::1 2a00:1450::1";

    #[test]
    fn addresses_of_this_machine_and_of_private_networks_are_not_public_in_any_clothes() {
        PRIVATE.split_whitespace().for_each(|text| assert!(!judge(text), "{text}"));
        PUBLIC.split_whitespace().for_each(|text| assert!(judge(text), "{text}"));
    }

    proptest! {
        #[test]
        fn an_address_in_other_clothes_is_judged_as_the_one_in_them(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            let mapped = plain.to_ipv6_mapped();
            prop_assert_eq!(is_public(mapped.into()), is_public(plain.into()));
            let nat64 = Ipv6Addr::from_bits(0x64_ff9b << 96 | u128::from(bits));
            prop_assert_eq!(is_public(nat64.into()), is_public(plain.into()));
            let private = plain.is_private() || plain.is_loopback() || plain.is_link_local() || plain.is_unspecified();
            prop_assert!(!(private && is_public(plain.into())));
        }
    }
}
