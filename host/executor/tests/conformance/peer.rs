//! A program of its own for the inside of containers: what speaks to networks there, in tests. Built by `rig::peer`.
//!
//! - `get PORT`: asks 127.0.0.1 for a page by HTTP and prints what comes.
//! - `hear PORT`: prints all that 127.0.0.1 says.
//! - `many PORT COUNT`: that many connections at once, a word each way; prints how many were answered.
//! - `bulk PORT BYTES`: sends them, ends its direction, prints how many came back unchanged.
//! - `serve PORT WORDS`: says the words to everyone who connects.
//! - `tcp ADDRESS`, `udp ADDRESS`, `unix PATH`: prints `reached`, or `away`.

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["get", port] => {
            let mut stream = call(port)?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: outside\r\nconnection: close\r\n\r\n")?;
            print!("{}", io::read_to_string(stream)?);
        }
        ["hear", port] => print!("{}", io::read_to_string(call(port)?)?),
        ["many", port, count] => println!("{}", many(port, count.parse()?)?),
        ["bulk", port, bytes] => println!("{}", bulk(port, bytes.parse()?)?),
        ["serve", port, words] => serve(port, words)?,
        ["tcp", address] => tell(TcpStream::connect_timeout(&address.parse()?, Duration::from_secs(2))),
        ["udp", address] => tell(ask(address.parse()?)),
        ["unix", path] => tell(UnixStream::connect(path)),
        _ => return Err("there is no such thing to do".into()),
    }
    Ok(())
}

fn call(port: &str) -> io::Result<TcpStream> {
    TcpStream::connect(format!("127.0.0.1:{port}"))
}

fn many(port: &str, count: usize) -> io::Result<usize> {
    let mut streams = (0..count).map(|_| call(port)).collect::<io::Result<Vec<_>>>()?;
    for stream in &mut streams {
        stream.write_all(b"WORD")?;
    }
    let mut answered = 0;
    for mut stream in streams {
        let mut word = [0; 4];
        answered += usize::from(stream.read_exact(&mut word).is_ok() && &word == b"WORD");
    }
    Ok(answered)
}

fn bulk(port: &str, bytes: usize) -> io::Result<usize> {
    let stream = call(port)?;
    let byte = |at: usize| (at % 251) as u8;
    let mut sender = stream.try_clone()?;
    let sends = thread::spawn(move || -> io::Result<()> {
        sender.write_all(b"ECHO")?;
        let all: Vec<u8> = (0..bytes).map(byte).collect();
        sender.write_all(&all)?;
        sender.shutdown(Shutdown::Write)
    });
    let mut back = Vec::with_capacity(bytes);
    (&stream).read_to_end(&mut back)?;
    sends.join().map_err(|_| io::Error::other("the sender died"))??;
    Ok(back.iter().enumerate().take_while(|(at, it)| **it == byte(*at)).count())
}

fn serve(port: &str, words: &str) -> io::Result<()> {
    println!("serving on {port}");
    for stream in TcpListener::bind(format!("127.0.0.1:{port}"))?.incoming() {
        stream?.write_all(words.as_bytes())?;
    }
    Ok(())
}

fn ask(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send_to(&[0; 12], address)?;
    socket.recv(&mut [0; 512]).map(drop)
}

fn tell<T>(result: io::Result<T>) {
    println!("{}", if result.is_ok() { "reached" } else { "away" });
}
