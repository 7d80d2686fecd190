//! Signatures: Ed25519 keys as `openssl genpkey -algorithm ed25519` writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::manifest::sha256;

/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("no private Ed25519 key in PEM (`openssl genpkey -algorithm ed25519 -out key.pem` makes one)")]
    Private,
    #[error("no public Ed25519 key in PEM (`openssl pkey -in key.pem -pubout` tells the one of a private key)")]
    Public,
}

/// A key that signs.
#[derive(Debug)]
pub struct Key(Ed25519KeyPair);

/// A key that a signature is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl Key {
    /// Reads a private key, PKCS#8 in PEM.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::Private)?;
        // OpenSSL writes the private half alone, from which the other follows: there is nothing to check it against.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|_| KeyError::Private)
    }

    /// The signature, 64 bytes; always the same for the same bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(bytes).as_ref().to_vec()
    }

    /// The public half, as OpenSSL reads it.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let der = [PREFIX.as_slice(), self.0.public_key().as_ref()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }
}

impl PublicKey {
    /// Reads a public key, `SubjectPublicKeyInfo` in PEM.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(pem: &[u8]) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::Public)?;
        match der.strip_prefix(PREFIX.as_slice()) {
            Some(key) if key.len() == 32 => Ok(Self(key.to_vec())),
            _ => Err(KeyError::Public),
        }
    }

    /// Whether the signature was made of these bytes by this key's private half.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(bytes, signature).is_ok()
    }

    /// A short name of the key: the SHA-256 of its 32 bytes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Test vector 1 of RFC 8032, its private key in PKCS#8.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

    #[test]
    fn signs_as_the_standard_has_it() {
        let key = Key::read(PEM.as_bytes()).unwrap();
        let signature = key.sign(b"");
        assert!(crate::manifest::hexadecimal(&signature).starts_with("e5564300c360ac729086e2cc806e828a"));
        let public = PublicKey::read(key.public_pem().as_bytes()).unwrap();
        assert!(public.verifies(b"", &signature));
        assert!(!public.verifies(b"x", &signature));
        assert!(PublicKey::read(PEM.as_bytes()).is_err() && Key::read(key.public_pem().as_bytes()).is_err());
    }
}
