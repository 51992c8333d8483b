//! fetch native|platform|webpki HOST:PORT PATH: a GET by rustls with one kind of roots.

use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use rustls_platform_verifier::BuilderVerifierExt;
use std::io::{Read, Write};
use std::sync::Arc;

fn config(kind: &str) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut roots = RootCertStore::empty();
    match kind {
        "platform" => return builder.with_platform_verifier().unwrap().with_no_client_auth(),
        "native" => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        _ => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    builder.with_root_certificates(roots).with_no_client_auth()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let host = args[2].split(':').next().unwrap().to_string();
    let mut conn = ClientConnection::new(Arc::new(config(&args[1])), host.try_into().unwrap()).unwrap();
    let mut sock = std::net::TcpStream::connect(&args[2]).unwrap();
    let mut tls = Stream::new(&mut conn, &mut sock);
    write!(tls, "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", args[3], args[2]).unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).unwrap();
    println!("{answer}");
}
