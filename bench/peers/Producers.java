import java.util.Arrays;
import org.apache.kafka.tools.ProducerPerformance;

/**
 * Kafka's own load tool (kafka-producer-perf-test), several of it in one process: `Producers N ARGUMENTS...`. A producer has one
 * connection to a broker, and N processes would spend a small machine on N Java machines.
 */
public class Producers {
    public static void main(String[] words) throws Exception {
        int count = Integer.parseInt(words[0]);
        String[] arguments = Arrays.copyOfRange(words, 1, words.length);
        Thread[] producers = new Thread[count];
        for (int number = 0; number < count; number++) {
            producers[number] = new Thread(() -> {
                try {
                    ProducerPerformance.main(arguments);
                } catch (Exception error) {
                    error.printStackTrace();
                    System.exit(1);
                }
            });
            producers[number].start();
        }
        for (Thread producer : producers) producer.join();
    }
}
