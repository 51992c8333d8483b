import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Fetch client|connection URL: a GET by one of the JDK's two clients. */
public class Fetch {
    public static void main(String[] args) throws Exception {
        URI uri = URI.create(args[1]);
        if (args[0].equals("client")) {
            HttpRequest request = HttpRequest.newBuilder(uri).build();
            System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
        } else {
            System.out.write(uri.toURL().openStream().readAllBytes());
            System.out.flush();
        }
    }
}
